/** Real NBD servers on loopback: nbdkit, qemu-nbd and nbd-server, each ended by its own process id. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestCertificate } from './certificates.ts';
import { freePort } from './free-port.ts';

export interface RunningNbdServer extends AsyncDisposable {
  readonly address: '127.0.0.1';
  readonly port: number;
  readonly pid: number;
}

/** The certificate the server shows, and the authority whose file GnuTLS wants to see beside it. */
export interface ServerTls {
  readonly certificate: TestCertificate;
  readonly authority?: TestCertificate;
  /** XenServer speaks TLS 1.2 and nothing else; this is the default. */
  readonly version?: '1.2' | '1.3';
}

interface NbdkitSettings {
  /** Plugin and filter arguments, for example ['file', path] or ['memory', '1G']. */
  readonly plugin: readonly string[];
  readonly filters?: readonly string[];
  /** Only this name is served; without it, any. */
  readonly exportName?: string;
  readonly tls?: ServerTls;
}

/** nbdkit in the foreground, where it dies together with the process that started it. */
export async function startNbdkit(settings: NbdkitSettings): Promise<RunningNbdServer> {
  const folder = await mkdtemp(join(tmpdir(), 'blockferry-nbdkit-'));
  const filters = [...(settings.filters ?? [])];
  const extra: string[] = [];
  if (settings.exportName !== undefined) {
    filters.unshift('exportname');
    extra.push(`exportname=${settings.exportName}`, 'exportname-strict=true');
  }
  const env = { ...process.env };
  const tlsArguments: string[] = [];
  if (settings.tls !== undefined) {
    await writeTlsFolder(folder, settings.tls);
    tlsArguments.push('--tls=require', `--tls-certificates=${folder}`);
    env['GNUTLS_SYSTEM_PRIORITY_FILE'] = join(folder, 'gnutls.cfg');
  }
  return startOnFreePort(folder, (port) =>
    spawn(
      'nbdkit',
      [
        '-f',
        '-r',
        ...['-i', '127.0.0.1', '-p', String(port)],
        ...tlsArguments,
        ...filters.map((filter) => `--filter=${filter}`),
        ...settings.plugin,
        ...extra,
      ],
      { env, stdio: ['ignore', 'ignore', 'pipe'] },
    ),
  );
}

interface FileExport {
  readonly file: string;
  readonly exportName: string;
}

export async function startQemuNbd({
  file,
  exportName,
  tls,
}: FileExport & { tls?: ServerTls }): Promise<RunningNbdServer> {
  const folder = await mkdtemp(join(tmpdir(), 'blockferry-qemu-nbd-'));
  const tlsArguments: string[] = [];
  if (tls !== undefined) {
    await writeTlsFolder(folder, tls);
    const priority = `NORMAL:-VERS-TLS-ALL:+VERS-TLS${tls.version ?? '1.2'}`;
    // Without sanity-check=no qemu-nbd refuses a certificate that signs itself.
    const credentials = `tls-creds-x509,id=tls0,endpoint=server,dir=${folder},verify-peer=no,sanity-check=no,priority=${priority}`;
    tlsArguments.push('--object', credentials, '--tls-creds', 'tls0');
  }
  const persistent = ['-t', '-e', '16'];
  return startOnFreePort(folder, (port) =>
    spawn(
      // A test that is killed runs no clean-up; the kernel then ends its server, as nbdkit arranges for itself.
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', 'qemu-nbd'],
        ...['-r', '-f', 'raw', '-b', '127.0.0.1', '-p', String(port), '-x', exportName],
        ...persistent,
        ...tlsArguments,
        file,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    ),
  );
}

/** nbd-server without TLS: it refuses every TLS client that has no certificate of its own, which a host never asks for. */
export async function startNbdServer({ file, exportName }: FileExport): Promise<RunningNbdServer> {
  const folder = await mkdtemp(join(tmpdir(), 'blockferry-nbd-server-'));
  const port = await freePort();
  const pidFile = join(folder, 'pid');
  const config = `[generic]
    listenaddr = 127.0.0.1
    port = ${port}
[${exportName}]
    exportname = ${file}
    readonly = true
    multifile = false
`;
  await writeFile(join(folder, 'config'), config);
  // With -d it would stay our child but serve a single client, so it becomes a daemon with a pid file.
  const starter = spawn('nbd-server', ['-C', join(folder, 'config'), '-p', pidFile], { stdio: 'ignore' });
  await once(starter, 'exit');
  if (!(await untilListening(port, () => starter.exitCode !== 0))) throw new Error('nbd-server did not start');
  const pid = Number(await readFile(pidFile, 'utf8'));
  const kill = () => endDaemon(pid);
  process.once('exit', kill);
  return {
    address: '127.0.0.1',
    port,
    pid,
    async [Symbol.asyncDispose]() {
      process.off('exit', kill);
      kill();
      await rm(folder, { recursive: true });
    },
  };
}

async function writeTlsFolder(folder: string, tls: ServerTls): Promise<void> {
  const { certificate, authority = certificate, version = '1.2' } = tls;
  await writeFile(join(folder, 'server-cert.pem'), certificate.certificatePem);
  await writeFile(join(folder, 'server-key.pem'), certificate.privateKeyPem, { mode: 0o600 });
  await writeFile(join(folder, 'ca-cert.pem'), authority.certificatePem);
  // nbdkit has no option for the TLS version; the library's own priority file does it.
  const unwanted = ['tls1.0', 'tls1.1', version === '1.2' ? 'tls1.3' : 'tls1.2'];
  const overrides = unwanted.map((name) => `disabled-version = ${name}\n`);
  await writeFile(join(folder, 'gnutls.cfg'), `[overrides]\n${overrides.join('')}`);
}

const START_ATTEMPTS = 3;

/** Another process may take the probed port first; then the server ends at once and the next port is tried. */
async function startOnFreePort(folder: string, start: (port: number) => ChildProcess): Promise<RunningNbdServer> {
  let complaint = '';
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt += 1) {
    const port = await freePort();
    const child = start(port);
    complaint = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      complaint += chunk.toString();
    });
    const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
    if (await untilListening(port, hasEnded)) return running(child, { port, folder });
    await end(child);
  }
  await rm(folder, { recursive: true });
  throw new Error(`the NBD server did not start: ${complaint}`);
}

function running(child: ChildProcess, { port, folder }: { port: number; folder: string }): RunningNbdServer {
  const { pid } = child;
  if (pid === undefined) throw new Error('a listening NBD server has no process id');
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  return {
    address: '127.0.0.1',
    port,
    pid,
    async [Symbol.asyncDispose]() {
      process.off('exit', kill);
      await end(child);
      await rm(folder, { recursive: true });
    },
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

function endDaemon(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

const LISTEN_ATTEMPTS = 500;
const LISTEN_PAUSE_MS = 10;

async function untilListening(port: number, hasEnded: () => boolean): Promise<boolean> {
  for (let attempt = 0; attempt < LISTEN_ATTEMPTS && !hasEnded(); attempt += 1) {
    if (await accepts(port)) return !hasEnded();
    await delay(LISTEN_PAUSE_MS);
  }
  return false;
}

async function accepts(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, '127.0.0.1');
  socket.once('connect', () => resolve(true));
  socket.once('error', () => resolve(false));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
