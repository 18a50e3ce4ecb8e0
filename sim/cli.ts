/** `npm run sim`: a simulated XenServer pool in the foreground, and writes into the disks of a running one. */

import { randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { requestControl } from '#sim/transfer/control-client.ts';
import type { AddedVm, Simulator } from './running-simulator.ts';
import { startSimulator } from './simulator.ts';
import { FAITHFUL_TIMINGS, FAST_TIMINGS } from './timings.ts';

const MIB = 1_048_576;

interface ServeOptions {
  readonly disk: readonly string[];
  readonly json?: true;
  readonly fast?: true;
  readonly port: number;
  readonly nbdPort: number;
  readonly username: string;
  readonly password?: string;
}

const program = new Command('sim').description('A XenServer pool that exists only on this machine');

program
  .command('serve', { isDefault: true })
  .description('run until interrupted')
  .option('--disk <file>', 'make a VM of a raw image; may be repeated', collect, [])
  .option('--json', 'print one line of JSON instead of text')
  .option('--fast', 'host delays of milliseconds instead of seconds')
  .option('--port <port>', 'of the API; 0 takes a free one', wholeNumber, 0)
  .option('--nbd-port <port>', 'of the NBD server; 0 takes a free one', wholeNumber, 0)
  .option('--username <name>', 'of the pool administrator', 'root')
  .option('--password <text>', 'made up and printed unless given')
  .action(serve);

program
  .command('write')
  .description('write into a disk of a running simulator, as its guest would')
  .requiredOption('--url <url>', 'of the simulator')
  .requiredOption('--password <text>', 'of the pool administrator')
  .option('--username <name>', 'of the pool administrator', 'root')
  .requiredOption('--vdi <uuid>', 'the disk')
  .option('--offset <bytes>', 'where to write', wholeNumber, 0)
  .option('--random <bytes>', 'how many random bytes to write', wholeNumber, MIB)
  .option('--file <file>', 'write this content instead')
  .option('--image <file>', 'make the disk equal to this raw image, block by block')
  .action(write);

await program.parseAsync();

async function serve(options: ServeOptions): Promise<void> {
  const pool = await startSimulator({
    apiPort: options.port,
    nbdPort: options.nbdPort,
    timings: options.fast ? FAST_TIMINGS : FAITHFUL_TIMINGS,
    credentials: { username: options.username, password: options.password ?? randomUUID() },
  });
  const vms = options.disk.length > 0 ? await vmsOf(pool, options.disk) : await sampleVms(pool);
  console.log(options.json ? asJson(pool, vms) : asText(pool, vms));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void pool.stop());
}

async function vmsOf(pool: Simulator, files: readonly string[]): Promise<AddedVm[]> {
  const vms: AddedVm[] = [];
  for (const file of files) vms.push(await pool.addVm({ name: basename(file), disks: [{ file }] }));
  return vms;
}

/** One VM with two disks and one that policies should leave out. */
async function sampleVms(pool: Simulator): Promise<AddedVm[]> {
  const system = { name: 'system', bytes: randomBytes(24 * MIB), sizeBytes: 256 * MIB };
  const data = { name: 'data', bytes: Buffer.alloc(8 * MIB, 'blockferry '), sizeBytes: 128 * MIB };
  const scratch = { name: '[NOBAK] scratch', sizeBytes: 64 * MIB };
  return [
    await pool.addVm({ name: 'web-1', tags: ['backup'], disks: [system, data, scratch] }),
    await pool.addVm({ name: 'lab', tags: ['xo:no-bak'], disks: [{ bytes: randomBytes(4 * MIB) }] }),
  ];
}

function asJson(pool: Simulator, vms: readonly AddedVm[]): string {
  const { url, fingerprint, nbdPort, credentials } = pool;
  return JSON.stringify({ url, ...credentials, fingerprint, nbdPort, vms });
}

function asText(pool: Simulator, vms: readonly AddedVm[]): string {
  const machines = vms.map(
    ({ name, uuid, vdis }) => `  ${name}  ${uuid}\n${vdis.map((vdi) => `    disk ${vdi}\n`).join('')}`,
  );
  return [
    `API          ${pool.url}`,
    `NBD port     ${pool.nbdPort}`,
    `user         ${pool.credentials.username}`,
    `password     ${pool.credentials.password}`,
    `fingerprint  ${pool.fingerprint}`,
    `\n${machines.join('')}`,
  ].join('\n');
}

interface WriteOptions {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly vdi: string;
  readonly offset: number;
  readonly random: number;
  readonly file?: string;
  readonly image?: string;
}

async function write(options: WriteOptions): Promise<void> {
  const query: Record<string, string> = { vdi: options.vdi, offset: String(options.offset) };
  if (options.image !== undefined) query['image'] = options.image;
  const content = options.file === undefined ? randomBytes(options.random) : await readFile(options.file);
  const body = options.image === undefined ? content : Buffer.alloc(0);
  console.log(await requestControl({ ...options, path: '/simulator/write', query, body }));
}

function collect(value: string, earlier: readonly string[]): string[] {
  return [...earlier, value];
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('a whole number is expected');
  return Number(text);
}
