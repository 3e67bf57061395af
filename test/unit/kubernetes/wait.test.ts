import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { CHART } from '../../../config/helm/chart.ts';
import { makeCertificateAuthority } from '../../support/certificate.ts';
import { serve } from '../../support/http-server.ts';
import { startProgram } from '../../support/process.ts';
import { requireTool } from '../../support/require-tool.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('the job before a removal waits for every node, whatever the API says meanwhile', async (t) => {
  if (!requireTool(t, 'openssl')) return;
  const authority = await makeCertificateAuthority(t);
  const { key, cert } = await authority.issue('api');
  const ready = { metadata: { generation: 2 }, status: { observedGeneration: 2, numberReady: 3, desiredNumberScheduled: 3 } };
  const answers: (object | number)[] = [503, { ...ready, status: {} }, { ...ready, status: { ...ready.status, numberReady: 1 } }, ready];
  const asked: string[] = [];
  const { port } = await serve(
    t,
    (request, response) => {
      asked.push(`${request.headers.authorization} ${request.url}`);
      const answer = answers.shift()!;
      if (typeof answer === 'number') response.writeHead(answer).end();
      else response.end(JSON.stringify(answer));
    },
    { tls: { key, cert } },
  );
  const account = tempDir(t, 'sa');
  writeFileSync(join(account, 'token'), 'secret\n');
  const program = startProgram(t, process.execPath, [join(CHART, 'files/wait.mjs'), 'here', 'undo'], {
    env: {
      KUBERNETES_SERVICE_HOST: '127.0.0.1',
      KUBERNETES_SERVICE_PORT: String(port),
      SERVICE_ACCOUNT: account,
      NODE_EXTRA_CA_CERTS: authority.certFile,
    },
  });
  const { code, stdout } = await program.finished;
  t.is(code, 0);
  t.deepEqual(stdout.trim().split('\n'), ['the API answers 503', 'no node has begun yet', '1 of 3 nodes are as they were before']);
  t.deepEqual(new Set(asked), new Set(['Bearer secret /apis/apps/v1/namespaces/here/daemonsets/undo']));
});
