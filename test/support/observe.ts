import { request } from 'node:http';
import type { Agent, Status } from './layerswarm.ts';

export interface Readiness extends Pick<Status['health'], 'level' | 'sentence' | 'ready' | 'parts'> {
  /** Of the HTTP answer. */
  readonly code: number;
}

/** GET of the agent's status endpoint, from where it runs. */
export async function observe(agent: Agent, path: string): Promise<{ code: number; body: string }> {
  const url = new URL(path, agent.info.status).href;
  if (agent.host === undefined) {
    const { promise, resolve, reject } = Promise.withResolvers<{ code: number; body: string }>();
    request(url, { agent: false, timeout: 10_000 }, (response) => {
      let body = '';
      response
        .setEncoding('utf8')
        .on('data', (text: string) => {
          body += text;
        })
        .on('error', reject)
        .on('end', () => resolve({ code: response.statusCode ?? 0, body }));
    })
      .on('error', reject)
      .end();
    return await promise;
  }
  const script = `fetch(${JSON.stringify(url)}).then(async (r) => console.log(JSON.stringify({ code: r.status, body: await r.text() })))`;
  return JSON.parse((await agent.host.runOk(process.execPath, ['-e', script])).stdout) as { code: number; body: string };
}

export async function readiness(agent: Agent): Promise<Readiness> {
  const { code, body } = await observe(agent, '/readyz');
  return { ...(JSON.parse(body) as Omit<Readiness, 'code'>), code };
}

/** The value of a series as it is written in `/metrics`; undefined where it is not there. */
export async function metric(agent: Agent, series: string): Promise<number | undefined> {
  const { body } = await observe(agent, '/metrics');
  const line = body.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}
