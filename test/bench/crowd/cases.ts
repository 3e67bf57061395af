import { hostsLike, type CrowdCase } from './crowd-case.ts';

const MBIT = 1_000_000;
/** Rates go down as hosts are added: two cores have to run all nodes and keep something over. */
const EIGHT = 16 * MBIT;
const SIXTEEN = 4 * MBIT;
const THIRD_SLOW = [...hostsLike(6, EIGHT), ...hostsLike(3, EIGHT / 4)];

/** One layer of 64 MB, or twelve from 10 KB to 60 MB. What serves everyone from one line is measured with few hosts: it takes N times the bound. */
export const CASES: readonly CrowdCase[] = [
  { name: '8 hosts', hosts: hostsLike(8, EIGHT), originRate: EIGHT, payload: 'blob', beside: ['aria2', 'http', 'mirror'] },
  { name: '16 hosts', hosts: hostsLike(16, SIXTEEN), originRate: SIXTEEN, payload: 'blob', beside: ['aria2'] },
  { name: '32 hosts', hosts: hostsLike(32, SIXTEEN / 2), originRate: SIXTEEN / 2, payload: 'blob', beside: [] },
  { name: '12 layers', hosts: hostsLike(8, EIGHT), originRate: EIGHT, payload: 'image', beside: ['http', 'mirror'] },
  {
    name: 'arrivals',
    hosts: hostsLike(8, EIGHT).map((host, i) => ({ ...host, arriveAt: (i / 7) * 2 })),
    originRate: EIGHT,
    payload: 'blob',
    beside: ['aria2'],
  },
  {
    name: 'moments apart',
    hosts: hostsLike(8, EIGHT).map((host, i) => ({ ...host, arriveAt: (i / 7) * 0.1 })),
    originRate: EIGHT,
    payload: 'blob',
    beside: ['aria2'],
  },
  { name: 'third slow', hosts: THIRD_SLOW, coordinator: 0, originRate: EIGHT, payload: 'blob', beside: ['aria2'] },
  { name: 'slow coordinator', hosts: THIRD_SLOW, coordinator: THIRD_SLOW.length - 1, originRate: EIGHT, payload: 'blob', beside: [] },
  { name: 'fast origin', hosts: hostsLike(8, EIGHT), originRate: EIGHT * 4, payload: 'blob', beside: ['aria2'] },
  { name: 'slow origin', hosts: hostsLike(8, EIGHT), originRate: EIGHT / 4, payload: 'blob', beside: ['aria2'] },
  { name: 'far origin', hosts: hostsLike(8, EIGHT), originRate: EIGHT, originDelayMs: 50, payload: 'blob', beside: [] },
  {
    name: 'two killed',
    hosts: hostsLike(8, EIGHT).map((host, i) => (i < 2 ? { ...host, dieAt: 0.5 } : host)),
    originRate: EIGHT,
    payload: 'blob',
    beside: ['aria2'],
  },
  { name: 'coordinator killed', hosts: hostsLike(8, EIGHT), coordinatorDiesAt: 0.5, originRate: EIGHT, payload: 'blob', beside: [] },
];
