import { hostsLike, type CrowdCase } from './crowd-case.ts';

const MBIT = 1_000_000;
/** Little enough that two cores run sixteen nodes. */
const RATE = 16 * MBIT;

/** One layer of 64 MB, or twelve from 10 KB to 60 MB. Rates go down as hosts are added, so that the machine keeps half of its CPU. */
export const CASES: readonly CrowdCase[] = [
  { name: '8 hosts', hosts: hostsLike(8, RATE), originRate: RATE, payload: 'blob', beside: ['http', 'mirror', 'aria2'] },
  { name: '16 hosts', hosts: hostsLike(16, RATE), originRate: RATE, payload: 'blob', beside: ['http', 'mirror', 'aria2'] },
  { name: '32 hosts', hosts: hostsLike(32, RATE / 2), originRate: RATE / 2, payload: 'blob', beside: ['aria2'] },
  { name: '12 layers', hosts: hostsLike(16, RATE), originRate: RATE, payload: 'image', beside: ['http', 'mirror'] },
  { name: 'arrivals', hosts: hostsLike(16, RATE).map((host, i) => ({ ...host, arriveAt: i / 15 * 2 })), originRate: RATE, payload: 'blob', beside: ['aria2'] },
  { name: 'third slow', hosts: [...hostsLike(10, RATE), ...hostsLike(5, RATE / 4)], originRate: RATE, payload: 'blob', beside: ['aria2'] },
  { name: 'fast origin', hosts: hostsLike(16, RATE / 2), originRate: RATE * 2, payload: 'blob', beside: ['aria2'] },
  { name: 'slow origin', hosts: hostsLike(16, RATE), originRate: RATE / 4, payload: 'blob', beside: ['aria2'] },
  { name: 'far origin', hosts: hostsLike(16, RATE), originRate: RATE, originDelayMs: 50, payload: 'blob', beside: [] },
  { name: 'two killed', hosts: hostsLike(16, RATE).map((host, i) => (i < 2 ? { ...host, dieAt: 0.5 } : host)), originRate: RATE, payload: 'blob', beside: ['aria2'] },
  { name: 'coordinator killed', hosts: hostsLike(16, RATE), coordinatorDiesAt: 0.5, originRate: RATE, payload: 'blob', beside: [] },
];
