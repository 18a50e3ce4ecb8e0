/**
 * A site whose every connection goes through something that can fail: the API and NBD through proxies of bytes, the
 * vault through such a proxy and a gateway of wrong answers. Steps are tried again as their contracts say.
 */

import { randomBytes } from 'node:crypto';
import type { BlockSource } from '#lib/backup/block-source.ts';
import type { NbdExport } from '#lib/backup/connection-document.ts';
import type { PoolSettings } from '#lib/backup/host-access.ts';
import { runIdOf } from '#lib/backup/run-id.ts';
import type { RunRequest } from '#lib/backup/snapshot-disks.ts';
import type { Shard } from '#lib/format/plan.ts';
import { connectNbd } from '#lib/nbd/connect.ts';
import { Secret } from '#lib/secret.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { underPrefix } from '#lib/store/prefixed-store.ts';
import { s3Store } from '#lib/store/s3.ts';
import type { S3Settings } from '#lib/store/s3-client.ts';
import type { RunId } from '#lib/units.ts';
import type { StepContract } from '#lib/workflow/contract.ts';
import { StepOutOfTime } from '#lib/workflow/failures.ts';
import { type S3Server, startS3Server } from '#local/s3/server.ts';
import { LoneSite } from '../fakes/lone-site.ts';
import { runSteps, type StepPorts, triedAgain } from '../fakes/workflow-steps.ts';
import { type FaultProxy, startFaultProxy } from '../servers/fault-proxy.ts';
import { type S3FaultGateway, startS3FaultGateway } from '../servers/s3-fault-gateway.ts';

const BUCKET = 'vault';
/** Half of the workflow's tries: what passes within three passes within six, and rows that never pass end sooner. */
const TRIES = 3;
/** Seconds instead of minutes, for every wait: what is tried is that each one ends. */
const NBD_DEADLINES = {
  connectMs: 4_000,
  greetingMs: 4_000,
  startTlsMs: 4_000,
  tlsMs: 4_000,
  exportMs: 4_000,
  progressMs: 4_000,
  closeMs: 500,
};
const S3_TIMEOUTS = { connectMs: 4_000, idleMs: 4_000, answerMs: 10_000 };
/** Long on purpose: a machine that does much else is slow; rows that wait for the step's own end set it shorter. */
const STEP_MS = 90_000;

export class FaultSite implements AsyncDisposable {
  readonly lone: LoneSite;
  readonly xapi: FaultProxy;
  readonly nbd: FaultProxy;
  readonly s3: FaultProxy;
  readonly gateway: S3FaultGateway;
  readonly server: S3Server;
  /** Whether an execution still runs, as the lease asks. */
  isRunning = false;
  /** Another place to read the disk from, instead of the simulator's NBD server. */
  otherSource: ((signal: AbortSignal) => Promise<BlockSource>) | undefined;
  /** Called at the first read, at the commit: the middle of a run. */
  onFirstRead: (() => void | Promise<void>) | undefined;
  beforeCommit: (() => void | Promise<void>) | undefined;
  /** What the pool's settings say instead of the truth. */
  poolChanges: Partial<PoolSettings> = {};
  /** The clock of the S3 server is so much ahead. */
  skewMs = 0;
  /** What a step has until it is told to stop. */
  stepMs = STEP_MS;
  #prefix = '';
  readonly #resources: AsyncDisposableStack;
  readonly #opened: Disposable[] = [];

  private constructor(
    parts: Pick<FaultSite, 'lone' | 'xapi' | 'nbd' | 's3' | 'gateway' | 'server'>,
    resources: AsyncDisposableStack,
  ) {
    this.lone = parts.lone;
    this.xapi = parts.xapi;
    this.nbd = parts.nbd;
    this.s3 = parts.s3;
    this.gateway = parts.gateway;
    this.server = parts.server;
    this.#resources = resources;
  }

  static async start(): Promise<FaultSite> {
    await using resources = new AsyncDisposableStack();
    const lone = resources.use(await LoneSite.start({ supporters: 1 }));
    const skew = { site: undefined as FaultSite | undefined };
    const now = () => new Date(Date.now() + (skew.site?.skewMs ?? 0));
    const server = resources.use(await startS3Server({ buckets: [BUCKET], now }));
    const gateway = resources.use(await startS3FaultGateway(server.endpoint));
    const s3 = resources.use(await startFaultProxy({ port: Number(new URL(gateway.endpoint).port) }));
    const xapi = resources.use(await startFaultProxy({ port: Number(new URL(lone.sim.url).port) }));
    const nbd = resources.use(await startFaultProxy({ port: lone.sim.nbdPort }));
    const site = new FaultSite({ lone, xapi, nbd, s3, gateway, server }, resources.move());
    skew.site = site;
    site.newVault('warm/');
    return site;
  }

  /** Everything that was set to fail works again. */
  heal(): void {
    for (const proxy of [this.xapi, this.nbd, this.s3]) proxy.set({});
    this.gateway.set(undefined);
    this.otherSource = undefined;
    this.onFirstRead = undefined;
    this.beforeCommit = undefined;
    this.poolChanges = {};
    this.skewMs = 0;
    this.stepMs = STEP_MS;
    this.isRunning = false;
  }

  /** A vault of its own for the next row, in the same bucket. The healthy connection is that of `lone`. */
  newVault(prefix: string): void {
    this.#prefix = prefix;
    for (const store of this.#opened.splice(0)) store[Symbol.dispose]();
    this.lone.store = this.#open({ endpoint: this.server.endpoint });
  }

  get pool(): PoolSettings {
    const { pool } = this.lone;
    return { ...pool, host: { ...pool.host, url: `https://127.0.0.1:${this.xapi.port}` }, ...this.poolChanges };
  }

  /**
   * One run as the workflow makes it. Rejects with the failure that ends it; the host is released in any case.
   * `beforeShard` is what happens before the readers of a shard.
   */
  async backUp(input: RunRequest, beforeShard?: (shard: Shard) => Promise<void>): Promise<RunId> {
    const store = this.#open({ endpoint: `http://127.0.0.1:${this.s3.port}`, timeouts: S3_TIMEOUTS, maxAttempts: 3 });
    const hooks = { beforeCommit: () => this.beforeCommit?.(), ...(beforeShard === undefined ? {} : { beforeShard }) };
    return runSteps((contract, step) => this.#tried(contract, store, step), input, hooks);
  }

  runIdOf(input: RunRequest): RunId {
    return runIdOf(input.execution);
  }

  #tried<T>(contract: StepContract, store: ObjectStore, step: (ports: StepPorts) => Promise<T>): Promise<T> {
    return triedAgain(contract, { tries: TRIES, also: [StepOutOfTime.failureName] }, async () => {
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(new StepOutOfTime('the step was told to stop')), this.stepMs);
      try {
        return await step(this.#ports(store, controller.signal));
      } finally {
        clearTimeout(timer);
      }
    });
  }

  #ports(store: ObjectStore, signal: AbortSignal): StepPorts {
    return {
      ...this.lone.ports,
      store,
      signal,
      random: randomBytes,
      pools: { names: [this.pool.name], named: () => this.pool },
      executions: { isRunning: () => Promise.resolve(this.isRunning) },
      connect: (address: NbdExport) => this.#connect(address, signal),
    };
  }

  async #connect(address: NbdExport, signal: AbortSignal): Promise<BlockSource> {
    const source = await (this.otherSource?.(signal) ??
      connectNbd({ ...address, port: this.nbd.port }, { signal, deadlines: NBD_DEADLINES }));
    return {
      exportBytes: source.exportBytes,
      ...(source.hostCheck === undefined ? {} : { hostCheck: source.hostCheck }),
      readInto: async (offsetBytes, target) => {
        const hook = this.onFirstRead;
        this.onFirstRead = undefined;
        await hook?.();
        await source.readInto(offsetBytes, target);
      },
      close: () => source.close(),
    };
  }

  /** What a process of its own needs to reach this site's vault. */
  get vault() {
    return {
      bucket: BUCKET,
      prefix: this.#prefix,
      endpoint: this.server.endpoint,
      credentials: this.server.credentials,
    };
  }

  #open(settings: Pick<S3Settings, 'endpoint' | 'timeouts' | 'maxAttempts'>): ObjectStore {
    const { accessKeyId, secretAccessKey } = this.server.credentials;
    const credentials = { accessKeyId, secretAccessKey: new Secret(secretAccessKey) };
    const store = s3Store({ bucket: BUCKET, credentials, ...settings });
    this.#opened.push(store);
    return underPrefix(store, this.#prefix);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.#opened) store[Symbol.dispose]();
    await this.#resources.disposeAsync();
  }
}
