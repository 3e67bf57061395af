/** Those of the swarm wait for clocks and take the longest: begun first, none of them is left when the rest is over. */
const isOfSwarm = (file) => file.includes('/test/unit/swarm/');

export default {
  extensions: { ts: 'module' },
  files: ['test/unit/**/*.test.ts', 'test/e2e/**/*.test.ts'],
  timeout: '120s',
  // more than there are cores: many wait more than they work
  concurrency: 3,
  sortTestFiles: (a, b) => Number(isOfSwarm(b)) - Number(isOfSwarm(a)) || (a < b ? -1 : 1),
};
