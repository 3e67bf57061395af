import { fdatasync, read, readSync, write, writeSync } from 'node:fs';
import { LayerswarmError } from '../../errors.ts';

// The callback functions on a descriptor: on the byte path a FileHandle's methods cost more than the call itself.

export function writeFully(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const step = (done: number): void => {
      write(fd, bytes, done, bytes.length - done, position + done, (error, count) => {
        if (error !== null) reject(error);
        else if (done + count === bytes.length) resolve();
        else step(done + count);
      });
    };
    step(0);
  });
}

export function writeFullySync(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}

/** @throws LayerswarmError `size-mismatch` when the file ends before */
export function readFully(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  if (bytes.length === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const step = (done: number): void => {
      read(fd, bytes, done, bytes.length - done, position + done, (error, count) => {
        if (error !== null) reject(error);
        else if (count === 0) reject(new LayerswarmError('size-mismatch', 'the file ends before its length'));
        else if (done + count === bytes.length) resolve();
        else step(done + count);
      });
    };
    step(0);
  });
}

/** @throws LayerswarmError `size-mismatch` when the file ends before */
export function readFullySync(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    const count = readSync(fd, bytes, done, bytes.length - done, position + done);
    if (count === 0) throw new LayerswarmError('size-mismatch', 'the file ends before its length');
    done += count;
  }
}

export function syncData(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(fd, (error) => (error === null ? resolve() : reject(error)));
  });
}
