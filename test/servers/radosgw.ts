/**
 * A Ceph RADOS Gateway on loopback: an S3 that we did not write.
 *
 * The smallest cluster there is: one monitor, one OSD with a sparse file for a disk, one gateway; no manager, no
 * authentication inside, one copy of everything. All of it lives in a temporary folder.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from './free-port.ts';

const run = promisify(execFile);

const PROGRAMS = ['ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin', 'monmaptool', 'ceph'];
const PACKAGES = 'apt-get install -y --no-install-recommends radosgw ceph-mon ceph-osd ceph-common';
const ACCESS_KEY_ID = 'GATEWAYTESTKEY000001';
const SECRET_ACCESS_KEY = 'gateway-test-secret-0000000000000000001';

/** A fresh start takes 5 s on an idle machine; the rest is for a busy one. */
const START_DEADLINE_MS = 90_000;
const COMMAND_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 10_000;
const POLL_MS = 100;
/** Sparse: only what is written takes space. */
const DISK_BYTES = 20 * 1024 ** 3;
/** Ports the OSD may choose from, above a probed one: it takes four. */
const OSD_PORTS = 100;

export interface Radosgw extends AsyncDisposable {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** The major version decides which deviations to expect: 16 is Debian bookworm's. */
  readonly version: string;
}

/** Starts a gateway of its own; rejects with the packages to install when it is not on this machine. */
export async function startRadosgw(): Promise<Radosgw> {
  requirePrograms();
  const folder = await mkdtemp(join(tmpdir(), 'blockferry-radosgw-'));
  const cluster = new Cluster(folder);
  try {
    const endpoint = await cluster.start();
    const { stdout } = await run('radosgw', ['--version']);
    return {
      endpoint,
      accessKeyId: ACCESS_KEY_ID,
      secretAccessKey: SECRET_ACCESS_KEY,
      version: /version (\S+)/.exec(stdout)?.[1] ?? 'unknown',
      [Symbol.asyncDispose]: () => cluster.stop(),
    };
  } catch (error) {
    const log = await cluster.lastWords();
    await cluster.stop();
    throw new Error(`radosgw did not start: ${log}`, { cause: error });
  }
}

function requirePrograms(): void {
  const folders = (process.env['PATH'] ?? '').split(':');
  const missing = PROGRAMS.filter((program) => !folders.some((folder) => isExecutable(join(folder, program))));
  if (missing.length > 0) {
    throw new Error(`these tests need radosgw, and ${missing.join(', ')} is not installed. On Debian: ${PACKAGES}`);
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

class Cluster {
  readonly #folder: string;
  readonly #configuration: string;
  readonly #daemons: ChildProcess[] = [];

  constructor(folder: string) {
    this.#folder = folder;
    this.#configuration = join(folder, 'ceph.conf');
  }

  async start(): Promise<string> {
    const ports = { monitor: await freePort(), osd: await freePort(), gateway: await freePort() };
    const cluster = randomUUID();
    await Promise.all(['run', 'mon', 'osd'].map((name) => mkdir(join(this.#folder, name))));
    await writeFile(this.#configuration, configuration(this.#folder, { cluster, ...ports }));
    await writeFile(join(this.#folder, 'keyring'), '');
    await this.#startMonitor(cluster, ports.monitor);
    await this.#startOsd();
    await this.#command('radosgw-admin', [
      ...['-n', 'client.rgw', 'user', 'create', '--uid=test', '--display-name=test'],
      ...[`--access-key=${ACCESS_KEY_ID}`, `--secret-key=${SECRET_ACCESS_KEY}`],
    ]);
    this.#daemon('radosgw', ['-n', 'client.rgw']);
    const endpoint = `http://127.0.0.1:${ports.gateway}`;
    await until('the gateway answers', async () => (await fetch(endpoint)).ok);
    return endpoint;
  }

  async #startMonitor(cluster: string, port: number): Promise<void> {
    const map = join(this.#folder, 'monmap');
    const address = `[v2:127.0.0.1:${port}/0]`;
    await run('monmaptool', ['--create', '--clobber', '--fsid', cluster, '--addv', 'a', address, map]);
    await this.#command('ceph-mon', ['-i', 'a', '--mkfs', '--monmap', map]);
    this.#daemon('ceph-mon', ['-i', 'a']);
  }

  async #startOsd(): Promise<void> {
    const osd = randomUUID();
    await this.#command('ceph', ['--connect-timeout', '20', 'osd', 'new', osd]);
    await this.#command('ceph-osd', ['-i', '0', '--mkfs', '--osd-uuid', osd]);
    this.#daemon('ceph-osd', ['-i', '0']);
    await until('the OSD is up', async () => {
      const { stdout } = await this.#command('ceph', ['--connect-timeout', '20', 'osd', 'stat']);
      return stdout.includes('1 up');
    });
  }

  /** Ends what was started, by handle, gateway first. */
  async stop(): Promise<void> {
    for (const daemon of this.#daemons.toReversed()) {
      if (daemon.exitCode !== null || daemon.signalCode !== null) continue;
      const exit = once(daemon, 'exit');
      daemon.kill('SIGTERM');
      const hard = setTimeout(() => daemon.kill('SIGKILL'), STOP_DEADLINE_MS);
      await exit;
      clearTimeout(hard);
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  async lastWords(): Promise<string> {
    const log = await readFile(join(this.#folder, 'client.log'), 'utf8').catch(() => '');
    return log.split('\n').slice(-3).join(' ');
  }

  #daemon(program: string, args: readonly string[]): void {
    const child = spawn(program, ['-f', '-c', this.#configuration, ...asRoot(program), ...args], { stdio: 'ignore' });
    this.#daemons.push(child);
  }

  #command(program: string, args: readonly string[]): Promise<{ stdout: string }> {
    const all = ['-c', this.#configuration, ...asRoot(program), ...args];
    return run(program, all, { timeout: COMMAND_DEADLINE_MS });
  }
}

/** The packages' daemons change to the user ceph when root starts them; the temporary folder is not theirs. */
function asRoot(program: string): string[] {
  const daemon = program === 'ceph-mon' || program === 'ceph-osd' || program === 'radosgw';
  return daemon && process.getuid?.() === 0 ? ['--setuser', 'root', '--setgroup', 'root'] : [];
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const giveUp = AbortSignal.timeout(START_DEADLINE_MS);
  let last: unknown;
  while (!giveUp.aborted) {
    try {
      if (await isSo()) return;
    } catch (error) {
      last = error;
    }
    await sleep(POLL_MS);
  }
  throw new Error(`waited ${START_DEADLINE_MS} ms in vain until ${what}`, { cause: last });
}

function configuration(
  folder: string,
  { cluster, monitor, osd, gateway }: { cluster: string; monitor: number; osd: number; gateway: number },
): string {
  // The gateway insists on an encrypted monitor session, which without authentication hangs for minutes: all modes crc.
  const modes = ['ms_mon_client', 'ms_mon_cluster', 'ms_mon_service', 'ms_client', 'ms_cluster', 'ms_service'];
  return `[global]
fsid = ${cluster}
mon_host = [v2:127.0.0.1:${monitor}/0]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
public_network = 127.0.0.0/8
cluster_network = 127.0.0.0/8
ms_bind_ipv6 = false
ms_bind_port_min = ${osd}
ms_bind_port_max = ${osd + OSD_PORTS}
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
auth_allow_insecure_global_id_reclaim = true
${modes.map((mode) => `${mode}_mode = crc`).join('\n')}
run_dir = ${folder}/run
pid_file = ${folder}/run/$type.pid
admin_socket = ${folder}/run/$name.$pid.asok
log_file = ${folder}/$type.log
mon_cluster_log_file = ${folder}/cluster.log
log_to_syslog = false
crash_dir = ${folder}/crash
keyring = ${folder}/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
[mon.a]
mon_data = ${folder}/mon
# A proposal each 50 ms instead of each second: every pool the gateway makes is one.
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
mon_tick_interval = 1
mon_data_avail_crit = 1
mon_data_avail_warn = 1
[osd]
osd_data = ${folder}/osd
osd_objectstore = bluestore
bluestore_block_size = ${DISK_BYTES}
bluestore_block_create = true
bluestore_block_db_create = false
bluestore_block_wal_create = false
bluestore_fsck_on_mount = false
osd_memory_target = 1073741824
osd_class_load_list = *
osd_class_default_list = *
[client.rgw]
# Without tcp_nodelay a small GET waits 45 ms for a delayed acknowledgement.
rgw_frontends = beast endpoint=127.0.0.1:${gateway} tcp_nodelay=1
rgw_enable_usage_log = false
rgw_dynamic_resharding = false
rgw_run_sync_thread = false
rgw_thread_pool_size = 32
`;
}
