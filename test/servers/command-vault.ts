/** A vault on an S3 server with one point of one disk, and the command line that uses it, as processes of their own. */

import { type ExecFileException, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { Secret } from '#lib/secret.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { s3Store } from '#lib/store/s3.ts';
import { MIB, parseRunId, parseVmId } from '#lib/units.ts';
import { type S3Server, startS3Server } from '#local/s3/server.ts';
import { VaultDisk } from '../fakes/vault-disk.ts';

const GRAIN = 65_536;
const COMMAND = join(import.meta.dirname, '../../cli/blockferry.ts');

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class CommandVault implements AsyncDisposable {
  /** Temporary; goes with the vault. */
  readonly folder: string;
  readonly store: ObjectStore & Disposable;
  readonly #server: S3Server;
  #onRequest: (key: string) => void = () => undefined;
  #disk: VaultDisk | undefined;

  private constructor(folder: string, server: S3Server) {
    this.folder = folder;
    this.#server = server;
    const { accessKeyId, secretAccessKey } = server.credentials;
    const credentials = { accessKeyId, secretAccessKey: new Secret(secretAccessKey) };
    this.store = s3Store({ bucket: 'vault', endpoint: server.endpoint, credentials });
  }

  static async start(): Promise<CommandVault> {
    let told: (key: string) => void = () => undefined;
    const server = await startS3Server({ buckets: ['vault'], onRequest: ({ key }) => told(key) });
    const vault = new CommandVault(await mkdtemp(join(tmpdir(), 'command-vault-')), server);
    told = (key) => vault.#onRequest(key);
    return vault;
  }

  get disk(): VaultDisk {
    if (this.#disk === undefined) throw new Error('the vault has no disk yet');
    return this.#disk;
  }

  /** Adds a VM "web-1" with one disk of this content. */
  async addPoint(image: Buffer): Promise<void> {
    const disk = new VaultDisk(this.store, image.length);
    this.#disk = disk;
    const changes = new Map<number, Buffer>();
    for (let grain = 0; grain < image.length / GRAIN; grain++) {
      const content = image.subarray(grain * GRAIN, (grain + 1) * GRAIN);
      if (content.some((byte) => byte !== 0)) changes.set(grain, content);
    }
    const seq = await disk.addPoint(changes);
    const vm = parseVmId(randomUUID());
    const run = parseRunId('0123456789abcdef');
    const time = new Date('2026-11-21T10:11:12Z');
    const dataGrains = changes.size;
    const counts = { dataGrains, zeroGrains: 0, unchangedGrains: 0, plannedBytes: image.length, storedBytes: 50 * MIB };
    const full = { because: 'first-backup', cure: 'nothing: the first backup of a disk is full' };
    const facts = { device: '0', name: 'root', bootable: true, diskBytes: image.length, kind: 'full', full };
    const point = {
      ...HEAD,
      vm,
      vmName: 'web-1',
      pool: 'lab',
      run,
      execution: 'arn:aws:states:local:0:execution:backup:1',
      time,
      finished: new Date(time.getTime() + 80_000),
      disks: [{ disk: disk.disk, seq, ...facts, ...counts }],
      measured: { nbdBytes: image.length, nbdRequests: 96, readerMs: 1000, hostChecks: ['public-key'] },
    };
    await this.store.put(vaultKeys.point(vm, { time, run }), encodeDocument(point));
  }

  /** Runs a command to its end. */
  blockferry(...words: string[]): Promise<Ended> {
    return new Promise((resolve) => {
      const ended = (error: ExecFileException | null, stdout: string, stderr: string) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      execFile(process.execPath, [COMMAND, ...words], { env: this.#environment() }, ended);
    });
  }

  /** Begins a command; the caller ends it. */
  begin(...words: string[]) {
    return spawn(process.execPath, [COMMAND, ...words], {
      env: this.#environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Calls back with the key of each request that the vault's server has answered, until the next call of this. */
  watch(onRequest: (key: string) => void = () => undefined): void {
    this.#onRequest = onRequest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.store[Symbol.dispose]();
    await this.#server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  #environment() {
    const { endpoint, region, credentials } = this.#server;
    return {
      ...process.env,
      BLOCKFERRY_VAULT: 's3://vault',
      BLOCKFERRY_ENDPOINT: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    };
  }
}
