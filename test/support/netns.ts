import { randomBytes } from 'node:crypto';
import type { Cleanup } from './cleanup.ts';
import { type Finished, type RunningProgram, type RunOptions, run, runOk, type SpawnOptions, startProgram } from './process.ts';

export interface LinkOptions {
  /** Bits a second that the host can send, and that it can receive; unlimited when left out. */
  readonly uplink?: number;
  readonly downlink?: number;
}

/** Bytes that crossed the host's link since it was made, headers included. */
export interface LinkBytes {
  readonly sent: number;
  readonly received: number;
}

/** One machine: a network namespace with `eth0` on the network's bridge, and a loopback of its own. */
export interface Host {
  readonly name: string;
  /** The network namespace's name, for `SpawnOptions.netns`. */
  readonly netns: string;
  readonly address: string;
  start(cleanup: Cleanup, command: string, args: readonly string[], options?: SpawnOptions): RunningProgram;
  run(command: string, args: readonly string[], options?: RunOptions): Promise<Finished>;
  runOk(command: string, args: readonly string[], options?: RunOptions): Promise<Finished>;
  bytes(): Promise<LinkBytes>;
  /** Pulls the cable, or plugs it in again. */
  setLink(state: 'up' | 'down'): Promise<void>;
  /** Bits a second of a line that was limited when the host was added, both ways. */
  setRate(rate: number): Promise<void>;
  /** Loses every packet to these addresses from now on, or none: whoever sends hears nothing of it. */
  setLost(addresses: readonly string[], lost: boolean): Promise<void>;
}

const TBF_BURST = '128kb';
const TBF_LATENCY = '100ms';
/** Nobody has it. */
const LOST_ETHER = '02:00:00:00:00:99';

/**
 * Machines on one Ethernet, for tests that run as root: nothing of it is in the machine's own network namespace, so
 * several can exist at the same moment, each with the same addresses.
 */
export class TestNetwork {
  readonly #prefix: string;
  readonly #cleanup: Cleanup;
  #hosts = 0;

  private constructor(cleanup: Cleanup, prefix: string) {
    this.#cleanup = cleanup;
    this.#prefix = prefix;
  }

  static async create(cleanup: Cleanup): Promise<TestNetwork> {
    // The run's id goes first, so that the runner can find what a killed test left.
    const network = new TestNetwork(cleanup, `${process.env['SWARM_TEST_RUN'] ?? 'lsw'}-${randomBytes(3).toString('hex')}`);
    await network.#addNamespace(network.#bridge);
    await ip('-n', network.#bridge, 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0');
    await ip('-n', network.#bridge, 'link', 'set', 'br0', 'up');
    return network;
  }

  get #bridge(): string {
    return `${this.#prefix}-bridge`;
  }

  async addHost(name: string, link: LinkOptions = {}): Promise<Host> {
    this.#hosts += 1;
    const netns = `${this.#prefix}-${name}`;
    const port = `port${this.#hosts}`;
    const address = `10.77.${Math.floor(this.#hosts / 250)}.${1 + (this.#hosts % 250)}`;
    await this.#addNamespace(netns);
    await ip('link', 'add', 'eth0', 'netns', netns, 'type', 'veth', 'peer', 'name', port, 'netns', this.#bridge);
    await ip('-n', this.#bridge, 'link', 'set', port, 'master', 'br0', 'up');
    await ip('-n', netns, 'address', 'add', `${address}/16`, 'dev', 'eth0');
    await ip('-n', netns, 'link', 'set', 'eth0', 'up');
    // A machine has a default route; multicast goes where it points.
    await ip('-n', netns, 'route', 'add', 'default', 'dev', 'eth0');
    await inNamespace(netns, 'sh', '-c', 'echo reno >/proc/sys/net/ipv4/tcp_congestion_control');
    if (link.uplink !== undefined) await limit(netns, 'eth0', link.uplink);
    if (link.downlink !== undefined) await limit(this.#bridge, port, link.downlink);
    return {
      name,
      netns,
      address,
      start: (cleanup, command, args, options = {}) => startProgram(cleanup, command, args, { ...options, netns }),
      run: (command, args, options = {}) => run(command, args, { ...options, netns }),
      runOk: (command, args, options = {}) => runOk(command, args, { ...options, netns }),
      bytes: () => linkBytes(netns),
      setLink: (state) => ip('-n', this.#bridge, 'link', 'set', port, state),
      setRate: async (rate) => {
        await limit(netns, 'eth0', rate, 'change');
        await limit(this.#bridge, port, rate, 'change');
      },
      setLost: async (addresses, lost) => {
        for (const to of addresses) {
          if (lost) await ip('-n', netns, 'neigh', 'replace', to, 'lladdr', LOST_ETHER, 'dev', 'eth0', 'nud', 'permanent');
          else await run('ip', ['-n', netns, 'neigh', 'del', to, 'dev', 'eth0']);
        }
      },
    };
  }

  async addHosts(count: number, link: LinkOptions = {}): Promise<Host[]> {
    const hosts: Host[] = [];
    for (let i = 1; i <= count; i++) hosts.push(await this.addHost(`host${i}`, link));
    return hosts;
  }

  async #addNamespace(name: string): Promise<void> {
    await ip('netns', 'add', name);
    this.#cleanup.teardown(() => ip('netns', 'delete', name));
    await ip('-n', name, 'link', 'set', 'lo', 'up');
  }
}

async function ip(...args: string[]): Promise<void> {
  await runOk('ip', args);
}

async function inNamespace(netns: string, command: string, ...args: string[]): Promise<void> {
  await runOk(command, args, { netns });
}

async function limit(netns: string, device: string, rate: number, how: 'add' | 'change' = 'add'): Promise<void> {
  await inNamespace(
    netns,
    'tc',
    'qdisc',
    how,
    'dev',
    device,
    'root',
    'tbf',
    'rate',
    `${rate}bit`,
    'burst',
    TBF_BURST,
    'latency',
    TBF_LATENCY,
  );
}

async function linkBytes(netns: string): Promise<LinkBytes> {
  const { stdout } = await runOk('ip', ['-n', netns, '-s', '-j', 'link', 'show', 'eth0']);
  const [link] = JSON.parse(stdout) as [{ stats64: { rx: { bytes: number }; tx: { bytes: number } } }];
  return { sent: link.stats64.tx.bytes, received: link.stats64.rx.bytes };
}
