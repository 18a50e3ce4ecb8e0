/**
 * connections/<run>.json: everything a reader needs to reach the host's disks, session reference included. Only
 * snapshot-disks writes it, only readers and release-host read it; it never appears in any state.
 */

import * as z from 'zod/mini';
import { diskIdField, documentHead, encodeDocument, parseDocument, runIdField } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { Secret } from '#lib/secret.ts';
import { ObjectNotFound } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { DiskId, RunId } from '#lib/units.ts';

const secret = z.pipe(
  z.string(),
  z.transform((text: string) => new Secret(text)),
);

const nbdExport = z.object({
  address: z.string(),
  port: z.number(),
  exportName: secret,
  security: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('tls'), certificatePem: z.string(), subject: z.string() }),
    /** The host offers NBD without TLS, which only a lab does. */
    z.object({ kind: z.literal('insecure') }),
  ]),
});

const connectionDocument = z.object({
  ...documentHead,
  run: runIdField,
  /** Whose session it is, and where: a run may die before anything else tells. */
  execution: z.string(),
  pool: z.string(),
  session: secret,
  /** For each disk the addresses that serve it; any of them will do. */
  disks: z.array(z.object({ disk: diskIdField, exports: z.array(nbdExport) })),
});

export type NbdExport = Readonly<z.infer<typeof nbdExport>>;
export type ConnectionDocument = Readonly<z.infer<typeof connectionDocument>>;

export async function writeConnection(store: ObjectStore, document: ConnectionDocument): Promise<void> {
  const clear = {
    ...document,
    session: document.session.reveal(),
    disks: document.disks.map(({ disk, exports }) => ({
      disk,
      exports: exports.map((entry) => ({ ...entry, exportName: entry.exportName.reveal() })),
    })),
  };
  await store.put(vaultKeys.connection(document.run), encodeDocument(clear));
}

/** Undefined when the run has not got so far, or has been released. */
export async function readConnection(store: ObjectStore, run: RunId): Promise<ConnectionDocument | undefined> {
  const key = vaultKeys.connection(run);
  try {
    return parseDocument(connectionDocument, await store.get(key), key);
  } catch (cause) {
    if (cause instanceof ObjectNotFound) return undefined;
    throw cause;
  }
}

export function exportsOf(document: Pick<ConnectionDocument, 'disks'>, disk: DiskId): readonly NbdExport[] {
  return document.disks.find((entry) => entry.disk === disk)?.exports ?? [];
}
