import type { RateState } from '../../../origin/budget.ts';
import { SharedDebts } from '../../shared-debts.ts';
import { ByteBucket, HostBucket, type Bucket } from './byte-bucket.ts';

/** Who waits is let on this often at most, as many at once as the time allows: a timer for each frame would cost more than the frame. */
const MIN_SLEEP_MS = 5;
/** What a lane asks for at a time: no more than this, and less where the rate is low, so that nobody waits long for a turn. */
const MAX_QUANTUM_BYTES = 64 * 1024;
const MIN_QUANTUM_BYTES = 4 * 1024;
const QUANTUM_SECONDS = 0.01;

export interface PacerClock {
  /** Milliseconds of a monotonic clock that all threads of the process share. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

export interface PacerOptions {
  /** Of the node; shared with its other threads. */
  readonly bucket: RateState | undefined;
  /** To or from any one host, bytes a second; 0: no limit. */
  readonly hostRate: number;
  /** What hosts have moved; shared with the node's other threads. */
  readonly hosts?: SharedDebts | undefined;
  readonly clock: PacerClock;
}

/** What one lane, or one reading, may move. */
export interface Pace {
  /** What is worth asking for at a time, bytes. */
  readonly quantum: number;
  /** Pays for `bytes` at once (true), or later, when its turn has come: then `paid` is called. */
  spend(bytes: number, paid: () => void): boolean;
  /** What is not paid yet never will be. */
  close(): void;
}

interface Payment {
  /** Bytes that are still to be paid for: a turn pays for one quantum. */
  left: number;
  readonly paid: () => void;
  readonly pace: object;
}

interface Host {
  readonly bucket: Bucket | undefined;
  /** In the order of arrival. */
  readonly payments: Payment[];
  users: number;
}

/**
 * Holds the bytes of one direction to a rate: of the node, and of each host. While there is enough, everybody passes without
 * waiting. Else hosts take turns, so that a host gets no more by having many lanes or many identities.
 */
export class Pacer {
  readonly #bucket: ByteBucket | undefined;
  readonly #hostRate: number;
  readonly #clock: PacerClock;
  readonly #quantum: number;
  readonly #hosts = new Map<string, Host>();
  readonly #debts: SharedDebts | undefined;
  /** Those with payments, in the order of their turns. */
  readonly #ring: Host[] = [];
  /** Somebody waits for what the node may move, and not for what its own host may. */
  #short = false;
  #asleep = false;

  constructor({ bucket, hostRate, hosts, clock }: PacerOptions) {
    this.#bucket = bucket === undefined ? undefined : new ByteBucket(bucket);
    this.#hostRate = hostRate;
    this.#debts = hostRate === 0 ? undefined : (hosts ?? new SharedDebts());
    this.#clock = clock;
    const slowest = Math.min(bucket?.bytesPerSecond ?? Infinity, hostRate === 0 ? Infinity : hostRate);
    this.#quantum = Math.min(MAX_QUANTUM_BYTES, Math.max(MIN_QUANTUM_BYTES, Math.floor(slowest * QUANTUM_SECONDS)));
  }

  /** A lane to or from `address` (an IP address, or a group of them), or something that no limit on hosts counts for. */
  pace(address: string | undefined): Pace {
    const key = address ?? '';
    const host = this.#hosts.get(key) ?? {
      bucket: address === undefined || this.#debts === undefined ? undefined : new HostBucket(this.#hostRate, this.#debts.of(address)),
      payments: [],
      users: 0,
    };
    this.#hosts.set(key, host);
    host.users += 1;
    let open = true;
    const pace: Pace = {
      quantum: this.#quantum,
      spend: (bytes, paid) => this.#spend(host, { left: bytes, paid, pace }),
      close: () => {
        if (!open) return;
        open = false;
        this.#forget(host, pace);
        host.users -= 1;
        if (host.users === 0) this.#hosts.delete(key);
      },
    };
    return pace;
  }

  #spend(host: Host, payment: Payment): boolean {
    const now = this.#clock.now();
    if (!this.#short && host.payments.length === 0 && this.#pay(host, payment.left, now)) return true;
    host.payments.push(payment);
    if (host.payments.length === 1) this.#ring.push(host);
    if (this.#waitMs(now) > 0) this.#short = true;
    void this.#sleep();
    return false;
  }

  #forget(host: Host, pace: Pace): void {
    if (host.payments.length === 0) return;
    host.payments.splice(0, host.payments.length, ...host.payments.filter((payment) => payment.pace !== pace));
    if (host.payments.length === 0) this.#ring.splice(this.#ring.indexOf(host), 1);
  }

  /** Both limits, or neither, are drawn on. */
  #pay(host: Host, bytes: number, now: number): boolean {
    if (host.bucket !== undefined && host.bucket.waitMs(now) > 0) return false;
    if (this.#bucket?.take(bytes, now) === false) return false;
    host.bucket?.take(bytes, now);
    return true;
  }

  #waitMs(now: number): number {
    return this.#bucket?.waitMs(now) ?? 0;
  }

  async #sleep(): Promise<void> {
    if (this.#asleep) return;
    this.#asleep = true;
    while (this.#ring.length > 0) {
      const now = this.#clock.now();
      const shortest = Math.min(...this.#ring.map(({ bucket }) => bucket?.waitMs(now) ?? 0));
      await this.#clock.sleep(Math.max(MIN_SLEEP_MS, this.#waitMs(now), shortest));
      this.#letOn();
    }
    this.#asleep = false;
  }

  /** Lets on whoever can pay, each host once before any other a second time. */
  #letOn(): void {
    // Hosts in a row that cannot pay, because of their own limit.
    let passed = 0;
    this.#short = true;
    while (this.#ring.length > passed) {
      const host = this.#ring.shift()!;
      const payment = host.payments[0]!;
      const now = this.#clock.now();
      const part = Math.min(payment.left, this.#quantum);
      if (!this.#pay(host, part, now)) {
        if (this.#waitMs(now) > 0) {
          this.#ring.unshift(host);
          return;
        }
        this.#ring.push(host);
        passed += 1;
        continue;
      }
      passed = 0;
      payment.left -= part;
      if (payment.left === 0) host.payments.shift();
      if (host.payments.length > 0) this.#ring.push(host);
      if (payment.left === 0) payment.paid();
    }
    this.#short = false;
  }
}
