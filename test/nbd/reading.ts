/** A connection to a scripted server that has opened its export. */

import { strict as assert } from 'node:assert/strict';
import { connectNbd, type NbdOptions } from '#lib/nbd/connect.ts';
import type { NbdConnection } from '#lib/nbd/connection.ts';
import { Secret } from '#lib/secret.ts';
import { type Client, openExport, play } from './scripted-server.ts';

export const EXPORT_BYTES = 1_048_576;
/** Long enough for a busy machine, short enough to wait for in a test. */
export const SHORT_MS = 60;

/** Opens the export, lets the script answer, and hands the connection to the client's part. */
export async function reading(
  script: (client: Client) => Promise<void>,
  use: (connection: NbdConnection) => Promise<void>,
  options: NbdOptions = {},
): Promise<void> {
  await using server = await play(async (client) => {
    await openExport(client, EXPORT_BYTES);
    await script(client);
  });
  const connection = await connectNbd(
    { address: '127.0.0.1', port: server.port, exportName: new Secret('disk'), security: { kind: 'insecure' } },
    options,
  );
  await use(connection);
  await server.played;
  await connection.close();
}

export const readBlock = (connection: NbdConnection, index: number): Promise<Buffer> =>
  connection.read({ offsetBytes: index * 4096, lengthBytes: 4096 });

/** All reads end with the same failure, and so does every later one. */
export async function allEndWith(
  failureClass: new (message: string) => Error,
  connection: NbdConnection,
  reads: readonly Promise<unknown>[],
): Promise<Error> {
  const outcomes = await Promise.allSettled([...reads]);
  const failures = new Set(
    outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason : 'it succeeded')),
  );
  assert.equal(failures.size, 1);
  const [failure] = failures;
  assert.ok(failure instanceof failureClass, String(failure));
  await assert.rejects(readBlock(connection, 0), failure);
  return failure;
}
