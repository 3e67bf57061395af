// Ends when every pod of a DaemonSet is ready: wait.mjs NAMESPACE NAME
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const [namespace, name] = process.argv.slice(2);
const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port, SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount' } = process.env;
const url = `https://${host.includes(':') ? `[${host}]` : host}:${port}/apis/apps/v1/namespaces/${namespace}/daemonsets/${name}`;

for (let said; ; await delay(1000)) {
  const line = await look();
  if (line === undefined) break;
  if (line !== said) console.log(line);
  said = line;
}

/** What is still waited for; undefined once nothing is. */
async function look() {
  try {
    const token = await readFile(`${SERVICE_ACCOUNT}/token`, 'utf8');
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token.trim()}` }, signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) return `the API answers ${answer.status}`;
    const { metadata, status } = await answer.json();
    if ((status.observedGeneration ?? 0) < metadata.generation) return 'no node has begun yet';
    const { numberReady = 0, desiredNumberScheduled = 0 } = status;
    return numberReady >= desiredNumberScheduled ? undefined : `${numberReady} of ${desiredNumberScheduled} nodes are as they were before`;
  } catch (error) {
    return `the API does not answer: ${error.cause?.message ?? error.message}`;
  }
}
