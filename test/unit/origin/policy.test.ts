import test from 'ava';
import * as fc from 'fast-check';
import { LayerswarmError } from '../../../src/errors.ts';
import { parseContentRange } from '../../../src/origin/blob-reader.ts';
import { ByteRate, newRate } from '../../../src/origin/budget.ts';
import { Health } from '../../../src/origin/health.ts';
import { nextPage } from '../../../src/origin/link-header.ts';
import { AttemptFailed, statusFailure, transportFailure } from '../../../src/origin/origin-error.ts';
import { checkHost, guardedLookup } from '../../../src/origin/guarded-lookup.ts';
import { type Reach, reachOf } from '../../../src/origin/reach.ts';
import { LocationCache, redirectTarget } from '../../../src/origin/redirect.ts';
import { admittedBy } from '../../../src/origin/guarded-lookup.ts';
import type { lookup, LookupAddress } from 'node:dns';
import { backoff, DEFAULT_RETRY, parseRetryAfter, withRetry } from '../../../src/origin/retry.ts';
import { TestClock } from '../../support/test-clock.ts';

const now = Date.UTC(2030, 0, 1);
const RETRY_AFTER: readonly [string | undefined, number | undefined][] = [
  [undefined, undefined],
  ['0', 0],
  ['120', 120_000],
  [' 5 ', 5_000],
  ['-1', undefined],
  ['1.5', undefined],
  ['soon', undefined],
  ['99999999999', undefined],
  ['Tue, 01 Jan 2030 00:00:30 GMT', 30_000],
  ['Tue, 01 Jan 2019 00:00:00 GMT', 0],
];

for (const [header, expected] of RETRY_AFTER) {
  test(`Retry-After ${JSON.stringify(header)} asks for ${expected} ms`, (t) => {
    t.is(parseRetryAfter(header, now), expected);
  });
}

test('a pause lies between nothing and a bound that doubles up to the longest', (t) => {
  t.deepEqual(
    [1, 2, 3, 10].map((failures) => backoff(failures, DEFAULT_RETRY, 1)),
    [200, 400, 800, 5_000],
  );
  t.is(backoff(3, DEFAULT_RETRY, 0), 0);
});

const failed = (transient: boolean, retryAfter?: number): AttemptFailed =>
  new AttemptFailed({ error: new LayerswarmError('origin-unreachable', 'x'), transient, outage: true, retryAfter });

test('transient failures are repeated up to the policy’s end, others not at all', async (t) => {
  const clock = new TestClock();
  let calls = 0;
  await t.throwsAsync(
    withRetry(DEFAULT_RETRY, clock, undefined, () => {
      calls += 1;
      throw failed(true);
    }),
    { code: 'origin-unreachable' },
  );
  t.is(calls, DEFAULT_RETRY.attempts);
  t.deepEqual(clock.slept, [100, 200, 400]);
  calls = 0;
  await t.throwsAsync(
    withRetry(DEFAULT_RETRY, clock, undefined, () => {
      calls += 1;
      throw failed(false);
    }),
  );
  t.is(calls, 1);
  await t.throwsAsync(
    withRetry(DEFAULT_RETRY, clock, undefined, () => {
      throw failed(true, 31_000);
    }),
  );
  t.is(clock.slept.length, 3, 'a pause beyond the deadline is not begun');
});

test('a byte rate never lets more pass than a burst and the rate', async (t) => {
  await t.notThrowsAsync(
    fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 1, maxLength: 30 }), async (chunks) => {
        const clock = new TestClock();
        const start = clock.now();
        const rate = new ByteRate(newRate(100_000), clock);
        let passed = 0;
        for (const chunk of chunks) {
          await rate.take(chunk);
          passed += chunk;
          if (passed > 25_000 + (clock.now() - start) * 100 + 1) return false;
        }
        return true;
      }),
      { numRuns: 50 },
    ),
  );
});

test('health: three outages open the circuit, one request at a time looks again, an answer closes it', (t) => {
  const clock = new TestClock();
  const health = new Health('registry.example', clock);
  t.is(health.snapshot().state, 'unknown');
  health.enter().outage('refused');
  t.like(health.snapshot(), { state: 'unreachable', reason: 'refused' }, 'nothing good was ever seen');
  health.enter().succeeded();
  t.is(health.snapshot().state, 'ok');
  for (let outage = 1; outage <= 3; outage++) health.enter().outage('refused');
  t.like(health.snapshot(), { state: 'unreachable', reason: 'refused' });
  t.throws(() => health.enter(), { code: 'origin-unreachable' });

  clock.advance(1_000);
  const looking = health.enter();
  t.throws(() => health.enter(), { code: 'origin-unreachable' }, 'the others do not wait for it');
  looking.outage('still refused');
  clock.advance(1_000);
  t.throws(() => health.enter(), { code: 'origin-unreachable' }, 'the pause has doubled');
  clock.advance(1_000);
  health.enter().inconclusive();
  const next = health.enter();
  next.succeeded();
  t.is(health.snapshot().state, 'ok');
  t.throws(() => next.outage('twice'), { message: /once/ });
});

test('health: a probe that is not answered is an outage, unless blob bytes are coming in', (t) => {
  const clock = new TestClock();
  const health = new Health('registry.example', clock);
  health.enter().succeeded();
  health.countBytes(1);
  clock.advance(5_000);
  health.enter(true).outage('silent', 'answer');
  t.is(health.snapshot().state, 'ok', 'it is busy');
  clock.advance(15_000);
  health.enter(true).outage('silent', 'answer');
  t.like(health.snapshot(), { state: 'unreachable', reason: 'silent' });
  health.enter().succeeded();
  t.is(health.snapshot().state, 'ok', 'a pull got through');
});

test('health: what pulls met outlasts the answer to a probe for a minute, unless nothing was there to answer', (t) => {
  const clock = new TestClock();
  const health = new Health('registry.example', clock);
  health.enter(true).succeeded();
  health.enter().failed('500 for every manifest');
  health.enter(true).succeeded();
  t.like(health.snapshot(), { state: 'unreachable', reason: '500 for every manifest' });
  t.is(health.probed().state, 'ok');
  clock.advance(60_000);
  t.is(health.snapshot().state, 'ok');
  health.enter().outage('503', 'answer');
  health.enter(true).succeeded();
  t.is(health.snapshot().reason, '503');
  health.enter().succeeded();
  t.is(health.snapshot().state, 'ok');
  for (let outage = 1; outage <= 3; outage++) health.enter().outage('refused');
  health.enter(true).succeeded();
  t.is(health.snapshot().state, 'ok', 'it runs again');
});

test('health: answers are counted by status, however many there are', (t) => {
  const health = new Health('registry.example', new TestClock());
  for (let status = 100; status < 300; status++) health.countAnswer(String(status));
  health.countAnswer('100');
  const { answers } = health.snapshot();
  t.is(answers!.size, 65);
  t.is(answers!.get('100'), 2);
  t.is(answers!.get('other'), 136);
});

test('health: a probe goes through an open circuit, and a refused login shows until one is taken', (t) => {
  const health = new Health('registry.example', new TestClock());
  for (let outage = 1; outage <= 3; outage++) health.enter().outage('refused');
  health.enter(true).succeeded();
  t.is(health.snapshot().state, 'ok');
  health.refused('wrong password');
  t.like(health.snapshot(), { state: 'unauthorized', reason: 'wrong password' });
  health.enter().succeeded();
  t.is(health.snapshot().state, 'unauthorized');
  health.authorized();
  t.is(health.snapshot().state, 'ok');
});

test('health: whatever happens, the state is one of four and a request is let in again in the end', (t) => {
  const step = fc.constantFrom('succeeded', 'outage', 'failed', 'inconclusive', 'wait');
  t.notThrows(() => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const clock = new TestClock();
        const health = new Health('registry.example', clock);
        for (const step of steps) {
          if (step === 'wait') {
            clock.advance(500);
            continue;
          }
          try {
            const passage = health.enter();
            if (step === 'outage' || step === 'failed') passage[step]('x');
            else passage[step]();
          } catch (error) {
            if (!(error instanceof LayerswarmError)) throw error;
          }
        }
        clock.advance(60_000);
        health.enter().succeeded();
        return health.snapshot().state === 'ok';
      }),
    );
  });
});

const STATUS: readonly [number, string, string, boolean][] = [
  [400, 'NAME_INVALID', 'name-invalid', false],
  [400, 'SIZE_INVALID', 'size-mismatch', false],
  [400, '', 'origin-denied', false],
  [401, '', 'origin-unauthorized', false],
  [403, 'DENIED', 'origin-denied', false],
  [404, 'MANIFEST_UNKNOWN', 'not-found', false],
  [405, '', 'unsupported', false],
  [409, '', 'origin-conflict', false],
  [413, '', 'too-large', false],
  [416, '', 'range-invalid', false],
  [418, '', 'origin-denied', false],
  [429, 'TOOMANYREQUESTS', 'origin-rate-limited', true],
  [500, 'UNKNOWN', 'origin-unreachable', true],
  [501, '', 'origin-unreachable', false],
  [503, '', 'origin-unreachable', true],
];

for (const [status, ociCode, code, transient] of STATUS) {
  test(`an answer ${status} ${ociCode} means ${code}`, (t) => {
    const failure = statusFailure(
      'it',
      'registry.example',
      status,
      Buffer.from(JSON.stringify({ errors: [{ code: ociCode, message: 'why' }] })),
      undefined,
    );
    t.is<string, string>(failure.error.code, code);
    t.is(failure.transient, transient);
  });
}

test('failures of the network say what to do, and those of the certificate are final', (t) => {
  const network = (code: string): ReturnType<typeof transportFailure> =>
    transportFailure('it', 'registry.example', Object.assign(new Error('x'), { code }), undefined);
  t.like(network('ECONNREFUSED'), { transient: true, outage: true });
  t.regex(network('ENOTFOUND').error.message, /cannot be resolved/);
  t.like(network('SELF_SIGNED_CERT_IN_CHAIN'), { transient: false });
  t.regex(network('SELF_SIGNED_CERT_IN_CHAIN').error.message, /originCa/);
  t.regex(network('ERR_SSL_WRONG_VERSION_NUMBER').error.message, /http:\/\//);
  t.is(network('UND_ERR_HEADERS_TIMEOUT').error.code, 'timeout');
  t.is(
    transportFailure(
      'it',
      'r',
      new TypeError('fetch failed', { cause: Object.assign(new Error('x'), { code: 'ECONNREFUSED' }) }),
      undefined,
    ).error.code,
    'origin-unreachable',
  );
});

const https = new URL('https://registry.example/v2/a/blobs/x');
const REDIRECTS: readonly [string | undefined, string | undefined][] = [
  ['https://storage.example/b?sig=1#frag', 'https://storage.example/b?sig=1'],
  ['/elsewhere', 'https://registry.example/elsewhere'],
  ['//storage.example/x', 'https://storage.example/x'],
  ['http://storage.example/b', undefined],
  ['ftp://storage.example/b', undefined],
  ['file:///etc/passwd', undefined],
  [undefined, undefined],
];

for (const [location, expected] of REDIRECTS) {
  test(`a redirect from https to ${location} ${expected === undefined ? 'is refused' : `leads to ${expected}`}`, (t) => {
    if (expected === undefined) t.throws(() => redirectTarget(https, location), { code: 'origin-denied' });
    else t.is(redirectTarget(https, location).href, expected);
  });
}

test('without TLS a redirect may lead anywhere over HTTP', (t) => {
  t.is(redirectTarget(new URL('http://registry.example/'), 'http://storage.example/b').href, 'http://storage.example/b');
  t.is(redirectTarget(new URL('http://registry.example/'), 'https://storage.example/b').href, 'https://storage.example/b');
});

test('a remembered location is used for a while and no longer', (t) => {
  const clock = new TestClock();
  const locations = new LocationCache(clock);
  for (let key = 0; key < 1_001; key++) locations.set(String(key), https);
  t.is(locations.get('0'), undefined, 'the oldest makes room');
  t.is(locations.get('1'), https);
  clock.advance(60_001);
  t.is(locations.get('1'), undefined);
});

const LINKS: readonly [string | undefined, string | undefined][] = [
  [undefined, undefined],
  ['</v2/a?last=b>; rel="next"', 'https://registry.example/v2/a?last=b'],
  ['<?n=2>;rel=next', 'https://registry.example/v2/a/blobs/x?n=2'],
  ['</p>; rel="prev", </n>; rel="first next"', 'https://registry.example/n'],
  ['</p>; rel="nextish"', undefined],
  ['</p>; title="rel=next"', undefined],
  ['<http://registry.example/n>; rel="next"', 'https://registry.example/n'],
  ['garbage', undefined],
];

for (const [header, expected] of LINKS) {
  test(`Link ${JSON.stringify(header)} leads to ${expected}`, (t) => {
    t.is(nextPage(header, https)?.href, expected);
  });
}

const RANGES: readonly [string | undefined, unknown][] = [
  ['bytes 0-9/100', { start: 0, end: 10, total: 100 }],
  ['bytes 5-5/*', { start: 5, end: 6, total: undefined }],
  ['bytes 9-0/100', undefined],
  ['bytes 0-100/100', undefined],
  ['bytes */100', undefined],
  ['bytes 0-9', undefined],
  [undefined, undefined],
  ['bytes 0-99999999999999999999/*', undefined],
];

for (const [header, expected] of RANGES) {
  test(`Content-Range ${JSON.stringify(header)}`, (t) => {
    t.deepEqual(parseContentRange(header) as unknown, expected);
  });
}

const reaches: [host: string, reach: string][] = [
  ['127.0.0.1', 'loopback'],
  ['127.8.9.1', 'loopback'],
  ['[::1]', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['0.0.0.0', 'loopback'],
  ['::', 'loopback'],
  ['localhost', 'loopback'],
  ['a.LOCALHOST.', 'loopback'],
  ['169.254.169.254', 'link-local'],
  ['::ffff:169.254.169.254', 'link-local'],
  ['fe80::1', 'link-local'],
  ['fd00:ec2::254', 'link-local'],
  ['10.0.0.1', 'network'],
  ['registry.example', 'network'],
  ['2001:db8::1', 'network'],
  ['notlocalhost', 'network'],
];
test('how far an address leads', (t) => {
  for (const [host, reach] of reaches) t.is(reachOf(host), reach as Reach, host);
});

test('a registry may lead to the network, to loopback where it is there itself, and else where the configuration says', (t) => {
  const distant = admittedBy(new URL('https://registry.example'), true, ['minio.example', '169.254.1.1']);
  t.true(distant('network', 'storage.example'));
  t.true(distant('loopback', 'registry.example'), 'a name that is configured may be on this host');
  t.true(distant('loopback', 'minio.example'));
  t.false(distant('loopback', 'storage.example'));
  t.notThrows(() => checkHost('169.254.1.1', distant));
  for (const host of ['127.0.0.1', '[::1]', '169.254.169.254', 'localhost'])
    t.throws(() => checkHost(host, distant), { code: 'origin-denied' }, host);
  const local = admittedBy(new URL('http://127.0.0.1:5000'), true, []);
  t.true(local('loopback', '127.0.0.1'));
  t.false(local('link-local', '169.254.169.254'));
  t.false(admittedBy(new URL('https://learned.example'), false, [])('loopback', 'learned.example'), 'a name that a member told may not');
});

test('a name that leads to this host is refused where it is looked up', async (t) => {
  const answers: Record<string, LookupAddress[]> = {
    'trap.example': [{ address: '169.254.169.254', family: 4 }],
    'both.example': [
      { address: '127.0.0.1', family: 4 },
      { address: '192.0.2.1', family: 4 },
    ],
  };
  const system = ((name: string, _options: unknown, callback: (error: null, found: LookupAddress[]) => void) => {
    callback(null, answers[name] ?? []);
  }) as unknown as typeof lookup;
  const guarded = guardedLookup((reach) => reach === 'network', system);
  const ask = (name: string, all: boolean): Promise<unknown> =>
    new Promise((resolve) => {
      guarded(name, { all }, (error, address) => {
        resolve(error === null ? address : (error as Error & { code: string }).code);
      });
    });
  t.is(await ask('trap.example', false), 'origin-denied');
  t.is(await ask('both.example', false), '192.0.2.1');
  t.deepEqual(await ask('both.example', true), [{ address: '192.0.2.1', family: 4 }]);
});

test('while the name servers are silent a name leads where it led last, and a name that is gone nowhere', async (t) => {
  const questions: ((error: NodeJS.ErrnoException | null, found?: LookupAddress[]) => void)[] = [];
  const system = ((_name: string, _options: unknown, callback: (error: Error | null, found: LookupAddress[]) => void) => {
    questions.push((error, found = []) => {
      callback(error, found);
    });
  }) as unknown as typeof lookup;
  const guarded = guardedLookup((reach) => reach === 'network', system);
  const ask = (): Promise<unknown> =>
    new Promise((resolve) => {
      guarded('registry.example', { all: false }, (error, address) => {
        resolve(error === null ? address : error.code);
      });
    });
  const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

  const first = [ask(), ask()];
  t.is(questions.length, 1, 'they share one question');
  questions[0]!(null, [{ address: '192.0.2.1', family: 4 }]);
  t.deepEqual(await Promise.all(first), ['192.0.2.1', '192.0.2.1']);
  t.is(await ask(), '192.0.2.1', 'without an answer');
  const answered = ask();
  t.is(questions.length, 2, 'which is still being waited for');
  questions[1]!(failure('EAI_AGAIN'));
  t.is(await answered, '192.0.2.1');
  const moved = ask();
  questions[2]!(null, [{ address: '192.0.2.2', family: 4 }]);
  t.is(await moved, '192.0.2.2', 'a new answer counts');
  const gone = ask();
  questions[3]!(failure('ENOTFOUND'));
  t.is(await gone, 'ENOTFOUND');
  const away = ask();
  questions[4]!(failure('EAI_AGAIN'));
  t.is(await away, 'EAI_AGAIN');
});
