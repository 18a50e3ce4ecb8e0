/** A new disk on a host as restore target: blocks gathered into bounded transfers, each of which can be repeated. */

import { type Bytes, MIB } from '#lib/units.ts';
import { type DiskChunk, importRawVdi } from '#lib/xapi/raw-vdi-import.ts';
import { nothing, type VdiRef } from '#lib/xapi/wire-types.ts';
import { type HostAccess, HostTransfers } from './host-transfer.ts';
import type { RestoreTarget } from './restore-disk.ts';

/** Ends within a minute at 10 Mbit/s, and costs the host one attachment of a few seconds. */
const TRANSFER_BYTES = 64 * MIB;

export class HostDisk implements RestoreTarget {
  readonly #access: HostAccess;
  readonly #vdi: VdiRef;
  readonly #sender: HostTransfers;
  #gathered: DiskChunk[] = [];
  #gatheredBytes = 0;
  #transfers: Promise<void> = Promise.resolve();

  constructor(access: HostAccess, vdi: VdiRef) {
    this.#access = access;
    this.#vdi = vdi;
    this.#sender = new HostTransfers(access);
  }

  /** Waits while a transfer runs: memory stays at two transfers' worth. */
  async write(offsetBytes: Bytes, data: Buffer): Promise<void> {
    this.#gathered.push({ offsetBytes, data });
    this.#gatheredBytes += data.length;
    if (this.#gatheredBytes >= TRANSFER_BYTES) this.#begin();
    await this.#transfers;
  }

  /** Everything that was given to `write` is on the disk when this resolves. */
  async flush(): Promise<void> {
    if (this.#gatheredBytes > 0) this.#begin();
    await this.#transfers;
  }

  /** One transfer at a time: the host attaches the disk for each, and it can be attached only once. */
  #begin(): void {
    const chunks = this.#gathered;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#transfers = this.#transfers.then(() => this.#transfer(chunks));
  }

  #transfer(chunks: readonly DiskChunk[]): Promise<void> {
    const { session, signal } = this.#access;
    return this.#sender.repeatable({
      label: 'writing a piece of the restored disk',
      send: (host, task) => importRawVdi(host, { session, task, vdi: this.#vdi, chunks }, signal),
      result: nothing,
    });
  }
}
