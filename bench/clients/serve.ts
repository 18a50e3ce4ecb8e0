/** Serves a point over NBD until its parent goes; tells the address. Usage: serve.ts '{"endpoint":...,"disk":...,"seq":1}' */

import { availableParallelism } from 'node:os';
import { NbdServer } from '#lib/nbd-server/server.ts';
import { UnpackingThreads } from '#lib/restore/unpacking-threads.ts';
import { VaultExport } from '#lib/restore/vault-export.ts';
import { s3Store } from '#lib/store/s3.ts';
import { MIB, parseDiskId } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import type { RestoreInput } from './restore.ts';

/** The command's own default. */
const CACHE_BYTES = 256 * MIB;

const input: RestoreInput = JSON.parse(process.argv[2] ?? '');
const store = s3Store({ bucket: input.bucket, endpoint: input.endpoint });
const threads = new UnpackingThreads(Math.max(1, Math.min(4, availableParallelism() - 1)));
const content = await DiskContent.open(store, { disk: parseDiskId(input.disk), seq: input.seq }, threads);
const disk = new VaultExport(content, { name: '0', description: '', cacheBytes: CACHE_BYTES });
const server = await NbdServer.start({ disks: [disk], listen: { host: '127.0.0.1', port: 0 } });
process.on('disconnect', () => process.exit());
process.send?.(server.uri);
