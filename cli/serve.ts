/** blockferry serve: the disks of a restore point as read-only NBD exports, until it is interrupted. */

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { NbdServer, type NbdServerSettings } from '#lib/nbd-server/server.ts';
import { findPoint } from '#lib/restore/points.ts';
import { UnpackingThreads } from '#lib/restore/unpacking-threads.ts';
import { serveExports } from '#lib/restore/vault-export.ts';
import { MIB } from '#lib/units.ts';
import { unpackingThreads } from './unpacking-threads.ts';
import { addVaultOptions, openVault, UsageError, type VaultOptions } from './vault-options.ts';

interface ServeOptions extends VaultOptions {
  readonly vm?: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly socket?: string;
  readonly tlsCertificate?: string;
  readonly tlsKey?: string;
  readonly cacheMib: number;
  readonly json?: boolean;
}

export function addServe(program: Command): void {
  addVaultOptions(program.command('serve'))
    .argument('<point>', 'name of the restore point, a unique beginning of it, or "latest"')
    .description('serve the disks of a restore point over NBD, read-only, straight from the vault')
    .option('--vm <uuid or name>', 'the VM, where the point alone does not say')
    .option(
      '--listen <host:port>',
      'where to listen; port 0 takes a free one',
      parseListen,
      parseListen('127.0.0.1:10809'),
    )
    .option('--socket <path>', 'a Unix socket instead')
    .option('--tls-certificate <file>', 'PEM; clients then have to use TLS')
    .option('--tls-key <file>', "PEM, the certificate's private key")
    .option('--cache-mib <count>', 'memory for content, in MiB', parseCount, 256)
    .option('--json', 'the exports as one JSON array, as soon as they can be opened')
    .addHelpText(
      'after',
      `
Each disk is an export named by its position (0, 1, ...); the first one also has the empty name.
Whoever reaches the address can read the disks: listen on other addresses than 127.0.0.1 with TLS only.

Examples:
  blockferry serve latest --vm web-1 --vault s3://my-vault
  nbdinfo --map nbd://127.0.0.1:10809/0
  qemu-img convert nbd://127.0.0.1:10809/0 web-1.qcow2
`,
    )
    .action(serve);
}

async function serve(name: string, options: ServeOptions): Promise<void> {
  using vault = openVault(options);
  const point = await findPoint(vault.store, { point: name, vm: options.vm });
  await using unpacker = new UnpackingThreads(unpackingThreads());
  const disks = await serveExports(vault.store, point, { cacheBytes: options.cacheMib * MIB, unpacker });
  const tls = await readTls(options);
  await using server = await NbdServer.start({
    disks,
    listen: options.socket === undefined ? options.listen : { path: options.socket },
    ...(tls === undefined ? {} : { tls }),
    onTrouble: (message) => process.stderr.write(`${message}\n`),
  });
  const served = disks.map(({ name, description }) => ({ uri: exportUri(server.uri, name), description }));
  const lines = served.map(({ uri, description }) => `${uri}  ${description}`);
  process.stdout.write(`${options.json ? JSON.stringify(served) : lines.join('\n')}\n`);
  process.stderr.write('serving until interrupted\n');
  const interrupted = new AbortController();
  await Promise.race([
    once(process, 'SIGINT', { signal: interrupted.signal }),
    once(process, 'SIGTERM', { signal: interrupted.signal }),
  ]);
}

/** The address of one export: for a Unix socket the name stands in front of the question mark. */
function exportUri(uri: string, name: string): string {
  return uri.includes('+unix') ? uri.replace(':///?', `:///${name}?`) : `${uri}/${name}`;
}

async function readTls(options: ServeOptions): Promise<NbdServerSettings['tls']> {
  const { tlsCertificate, tlsKey } = options;
  if (tlsCertificate === undefined && tlsKey === undefined) return undefined;
  if (tlsCertificate === undefined || tlsKey === undefined) {
    throw new UsageError('TLS takes both --tls-certificate and --tls-key');
  }
  return { certificate: await readText(tlsCertificate), privateKey: await readText(tlsKey) };
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new UsageError(`${file} cannot be read`, { cause });
  }
}

function parseListen(text: string): ServeOptions['listen'] {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const [, ipv6, name, port] = match ?? [];
  const host = ipv6 ?? name;
  if (host === undefined || Number(port) > 65535) throw new InvalidArgumentError('write host:port or [address]:port');
  return { host, port: Number(port) };
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('write a whole number from 1');
  return Number(text);
}
