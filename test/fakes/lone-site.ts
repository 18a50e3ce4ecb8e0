/** A site in one process: a simulated pool, a vault in memory, and the steps of the workflow called one after another. */

import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { commitPoint } from '#lib/backup/commit-point.ts';
import type { PoolSettings } from '#lib/backup/host-access.ts';
import { readShard } from '#lib/backup/read-shard.ts';
import { releaseHost } from '#lib/backup/release-host.ts';
import { type RunRequest, snapshotDisks } from '#lib/backup/snapshot-disks.ts';
import { splitExtents } from '#lib/backup/split-extents.ts';
import type { Clock } from '#lib/clock.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { Shard } from '#lib/format/plan.ts';
import { connectNbd } from '#lib/nbd/connect.ts';
import { diskOfPoint, findPoint } from '#lib/restore/points.ts';
import { restoreRawFile } from '#lib/restore/restore-to-path.ts';
import { Secret } from '#lib/secret.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { parseSha256, type RunId } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { type Simulator, type SimulatorOptions, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { MemoryBucket } from './memory-store.ts';

/** Waits are cut short; the time that code sees is real. */
export const hastyClock: Clock = {
  now: () => new Date(),
  sleep: (durationMs, signal) => delay(Math.min(durationMs, 20), undefined, signal === undefined ? {} : { signal }),
};

/** No step needs more calls than this in a test; one more is a loop that does not end. */
const MAX_CALLS = 200;
const FAR_MS = 900_000;

export interface SiteOptions extends SimulatorOptions {
  readonly bucket?: MemoryBucket;
  readonly clock?: Clock;
}

export class LoneSite implements AsyncDisposable {
  readonly sim: Simulator;
  readonly folder: string;
  readonly clock: Clock;
  /** As in the settings of the pool. */
  nbd: PoolSettings['nbd'] = 'tls';
  bucket: MemoryBucket;
  store: ObjectStore;
  #restored = 0;

  private constructor(sim: Simulator, folder: string, { bucket, clock }: { bucket: MemoryBucket; clock: Clock }) {
    this.sim = sim;
    this.folder = folder;
    this.clock = clock;
    this.bucket = bucket;
    this.store = bucket.store();
  }

  static async start(settings: SiteOptions = {}) {
    const { bucket = new MemoryBucket({ now: () => new Date() }), clock = hastyClock, ...options } = settings;
    const sim = await startSimulator({ timings: FAST_TIMINGS, ...options });
    return new LoneSite(sim, await mkdtemp(join(tmpdir(), 'lone-site-')), { bucket, clock });
  }

  /** Goes on with another vault: a pool is dearer to start than a bucket in memory. */
  useBucket(bucket: MemoryBucket): void {
    this.bucket = bucket;
    this.store = bucket.store();
  }

  get pool(): PoolSettings {
    const { username, password } = this.sim.credentials;
    return {
      name: 'lab',
      host: { url: this.sim.url, pin: { kind: 'fingerprint', sha256: parseSha256(this.sim.fingerprint) } },
      redirects: [],
      nbd: this.nbd,
      credentials: () => Promise.resolve({ username, password: new Secret(password) }),
    };
  }

  get ports() {
    return {
      store: this.store,
      pools: { names: ['lab'], named: () => this.pool },
      executions: { isRunning: () => Promise.resolve(false) },
      clock: this.clock,
      random: randomBytes,
      signal: new AbortController().signal,
      connect: connectNbd,
      deadline: new Date(Date.now() + FAR_MS),
    };
  }

  request(vm: string, request: Partial<RunRequest['request']> = {}, name: string = randomUUID()): RunRequest {
    const execution = `arn:aws:states:local:0:execution:backup:${name}`;
    return { execution, started: new Date().toISOString(), request: { vm, ...request } };
  }

  /** The whole workflow; the host is released also when a step fails. */
  async backUp(vm: string, request: Partial<RunRequest['request']> = {}, name?: string) {
    const input = this.request(vm, request, name);
    try {
      const run = await this.prepare(input);
      await this.readShards(run);
      return await commitPoint(this.ports, run);
    } finally {
      await this.release(input);
    }
  }

  async prepare(input: RunRequest): Promise<RunId> {
    for (let call = 0; call < MAX_CALLS; call++) {
      const result = await snapshotDisks(this.ports, input);
      if (result.ready) return result.runId;
    }
    throw new Error('the host never became ready');
  }

  async shards(run: RunId): Promise<Shard[]> {
    await splitExtents(this.ports, run);
    const lines = (await this.store.get(vaultKeys.shards(run))).toString().split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Shard);
  }

  async readShards(run: RunId): Promise<void> {
    for (const shard of await this.shards(run)) {
      let progress = await readShard(this.ports, shard);
      for (let call = 0; !progress.done; call++) {
        assert.ok(call < MAX_CALLS, 'the shard never got done');
        progress = await readShard(this.ports, shard);
      }
    }
  }

  async release(input: RunRequest) {
    for (let call = 0; call < MAX_CALLS; call++) {
      const result = await releaseHost(this.ports, input);
      if (result.released) return result;
      await this.clock.sleep(20);
    }
    throw new Error('the host was never released');
  }

  /** The restored bytes of a disk; `point` as the command line takes it. */
  async restore(query: { point: string; vm?: string; disk?: string }): Promise<Buffer> {
    const point = await findPoint(this.store, query);
    const { disk, seq } = diskOfPoint(point, query.disk);
    const content = await DiskContent.open(this.store, { disk, seq });
    const path = join(this.folder, `restored-${this.#restored++}`);
    await restoreRawFile(content, path);
    return readFile(path);
  }

  /** Current objects whose key begins with the prefix, in key order. */
  objectsUnder(prefix: string): { key: string; body: Buffer }[] {
    const { objects } = this.bucket;
    return objects.keys(prefix).flatMap((key) => {
      const body = objects.current(key)?.body;
      return body === undefined ? [] : [{ key, body }];
    });
  }

  async diskBytes(vdi: string): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.sim.diskImage(vdi)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  /** A raw image file of the given content. */
  async imageFile(name: string, content: Uint8Array): Promise<string> {
    const path = join(this.folder, name);
    await using file = await open(path, 'w');
    await file.write(content);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sim.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
