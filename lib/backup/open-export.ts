/** Connects to a disk at whichever of its addresses answers. */

import { Failure } from '#lib/failure.ts';
import type { DiskId } from '#lib/units.ts';
import type { BlockSource } from './block-source.ts';
import { type ConnectionDocument, exportsOf, type NbdExport } from './connection-document.ts';
import { NbdNotOffered } from './failures.ts';

export interface ExportPorts {
  readonly connect: (address: NbdExport, options: { signal: AbortSignal }) => Promise<BlockSource>;
  readonly signal: AbortSignal;
}

/** Tries the addresses in order; when all fail, the first failure is the one that is thrown. */
export async function openExport(
  document: Pick<ConnectionDocument, 'disks'>,
  disk: DiskId,
  { connect, signal }: ExportPorts,
): Promise<BlockSource> {
  const failures: unknown[] = [];
  for (const address of exportsOf(document, disk)) {
    try {
      return await connect(address, { signal });
    } catch (cause) {
      if (!(cause instanceof Failure) || signal.aborted) throw cause;
      failures.push(cause);
    }
  }
  throw failures[0] ?? new NbdNotOffered(`no NBD address is known for disk ${disk}`);
}
