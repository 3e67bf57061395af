import test from 'ava';
import { mayShareContent } from '../../../src/containerd/content-sharing.ts';

const SOURCE = 'containerd.io/distribution.source.';
const rules = {
  registries: ['docker.io', 'registry.example:5000', '[::1]:5000'],
  isExcluded: (full: string) => full.startsWith('docker.io/secret/'),
};

for (const [title, labels, shared] of [
  ['from a registry of the swarm is shared', { [`${SOURCE}docker.io`]: 'library/debian' }, true],
  ['from one of several repositories that is not excluded is shared', { [`${SOURCE}docker.io`]: 'secret/app,library/debian' }, true],
  [
    'from two registries, one of the swarm, is shared',
    { [`${SOURCE}elsewhere.example`]: 'a', [`${SOURCE}registry.example`]: 'team/app' },
    true,
  ],
  ['from excluded repositories alone is not shared', { [`${SOURCE}docker.io`]: 'secret/app,secret/other' }, false],
  ['from a registry by its IPv6 address is shared', { [`${SOURCE}::1`]: 'team/app' }, true],
  ['from another registry is not shared', { [`${SOURCE}elsewhere.example`]: 'library/debian' }, false],
  ['that was built or imported here is not shared', { 'containerd.io/gc.ref.content.config': 'sha256:00' }, false],
  ['with an empty source is not shared', { [`${SOURCE}docker.io`]: '' }, false],
] as const) {
  test(`content ${title}`, (t) => {
    t.is(mayShareContent({ labels }, rules), shared);
  });
}
