/**
 * Changed block tracking: one log per disk generation, chained by parent and child.
 *
 *   snapshot 1        snapshot 2        live disk
 *  +----------+ child +----------+ child +----------+
 *  | bits     |------>| bits     |------>| bits     |    bits of a log: blocks written between
 *  |          |<------|          |<------|          |    its parent's end and its own end
 *  +----------+ parent+----------+ parent+----------+
 *
 * changed(snapshot 1, live) = bits(snapshot 2) OR bits(live).
 */

import { backendFailure } from '#sim/api/api-error.ts';

/** One bit of a log stands for this many bytes of the disk. */
export const CBT_BLOCK_BYTES = 65_536;

const LOG_HEADER_BYTES = 48;

interface Log {
  parent: string | undefined;
  child: string | undefined;
  /** False after a crash: bits may be missing, so the log must not be believed. */
  consistent: boolean;
  sizeBytes: number;
  bits: Uint8Array;
}

/** Bytes of the bitmap of a disk: one bit per started block, rounded up to whole bytes. */
export function bitmapBytes(diskBytes: number): number {
  return Math.ceil(Math.ceil(diskBytes / CBT_BLOCK_BYTES) / 8);
}

export class CbtLogs {
  readonly #logs = new Map<string, Log>();

  has(vdi: string): boolean {
    return this.#logs.has(vdi);
  }

  /** Starts a new set: nothing older can be compared with it. */
  start(vdi: string, sizeBytes: number): void {
    const bits = new Uint8Array(bitmapBytes(sizeBytes));
    this.#logs.set(vdi, { parent: undefined, child: undefined, consistent: true, sizeBytes, bits });
  }

  /** Ends a live disk's set. Its snapshots stay comparable with each other. */
  stop(vdi: string): void {
    const log = this.#logs.get(vdi);
    if (!log) return;
    const parent = this.#neighbour(log.parent);
    if (parent) parent.child = undefined;
    this.#logs.delete(vdi);
  }

  /** The snapshot takes over the live log; the live disk goes on with an empty one behind it. */
  snapshot(live: string, snapshot: string): void {
    const log = this.#logs.get(live);
    if (!log) return;
    const older = this.#neighbour(log.parent);
    if (older) older.child = snapshot;
    this.#logs.set(snapshot, { ...log, child: live });
    const bits = new Uint8Array(bitmapBytes(log.sizeBytes));
    this.#logs.set(live, { parent: snapshot, child: undefined, consistent: true, sizeBytes: log.sizeBytes, bits });
  }

  /** Marks every block that a write touches, whatever its content. */
  markWritten(vdi: string, offsetBytes: number, lengthBytes: number): void {
    const log = this.#logs.get(vdi);
    if (!log || lengthBytes === 0) return;
    const last = Math.floor((offsetBytes + lengthBytes - 1) / CBT_BLOCK_BYTES);
    for (let block = Math.floor(offsetBytes / CBT_BLOCK_BYTES); block <= last; block += 1) {
      const byte = block >> 3;
      // Block 0 is the most significant bit of byte 0 in what the API returns.
      log.bits[byte] = (log.bits[byte] ?? 0) | (0x80 >> (block & 7));
    }
  }

  resize(vdi: string, sizeBytes: number): void {
    const log = this.#logs.get(vdi);
    if (!log) return;
    log.bits = fitted(log.bits, bitmapBytes(sizeBytes));
    log.sizeBytes = sizeBytes;
  }

  /** Removes a generation; what it knew passes to its child, so that the chain around it survives. */
  remove(vdi: string): void {
    const log = this.#logs.get(vdi);
    if (!log) return;
    const parent = this.#neighbour(log.parent);
    const child = this.#neighbour(log.child);
    if (parent) parent.child = log.child;
    if (child) {
      child.parent = log.parent;
      child.bits = union(log.bits, child.bits);
    }
    this.#logs.delete(vdi);
  }

  /** A crash while the disk was open for writing: the log on disk may lack the last bits. */
  markInconsistent(vdi: string): void {
    const log = this.#logs.get(vdi);
    if (log) log.consistent = false;
  }

  /** The log file on the storage: a header of 48 bytes and the bitmap. */
  logFileBytes(vdi: string): number {
    const log = this.#logs.get(vdi);
    return log ? LOG_HEADER_BYTES + log.bits.length : 0;
  }

  isConsistent(vdi: string): boolean {
    return this.#logs.get(vdi)?.consistent ?? true;
  }

  /** Blocks written after `from` up to and including `to`, as a bitmap of `to`'s size; most significant bit first. */
  changedBlocks(from: string, to: string): Buffer {
    const older = this.#logs.get(from);
    const target = this.#logs.get(to);
    if (!older || !target) throw unrelated('Source and target VDI are unrelated');
    if (from === to) throw unrelated('Source and target VDI are same');
    let changed: Uint8Array = new Uint8Array(0);
    let sizeBytes = older.sizeBytes;
    for (let next = older.child; next !== undefined; ) {
      const log = this.#logs.get(next);
      if (!log) break;
      // A log that is smaller than its parent's means that the disk shrank or that the chain was damaged.
      if (log.sizeBytes < sizeBytes) throw backendFailure(459, 'Size of bitmap differs in the chain', 'CBT metadata');
      sizeBytes = log.sizeBytes;
      changed = union(changed, log.bits);
      if (next === to) return Buffer.from(changed);
      next = log.child;
    }
    throw unrelated('Source and target VDI are unrelated');
  }

  #neighbour(vdi: string | undefined): Log | undefined {
    return vdi === undefined ? undefined : this.#logs.get(vdi);
  }
}

function unrelated(reason: string) {
  return backendFailure(460, 'Failed to calculate changed blocks for given VDIs.', reason);
}

/** OR of two bitmaps, in the length of the newer one; what the older lacks counts as unchanged. */
function union(older: Uint8Array, newer: Uint8Array): Uint8Array {
  const bits = Uint8Array.from(newer);
  const shared = Math.min(older.length, bits.length);
  for (let byte = 0; byte < shared; byte += 1) bits[byte] = (bits[byte] ?? 0) | (older[byte] ?? 0);
  return bits;
}

function fitted(bits: Uint8Array, length: number): Uint8Array {
  const result = new Uint8Array(length);
  result.set(bits.subarray(0, length));
  return result;
}
