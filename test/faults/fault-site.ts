/**
 * A site whose every connection goes through something that can fail: each kind through a proxy of bytes, the vault
 * through a gateway of wrong answers too. Steps are tried again as their contracts say.
 */

import { randomBytes } from 'node:crypto';
import { KMSClient } from '@aws-sdk/client-kms';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SFNClient } from '@aws-sdk/client-sfn';
import type { BlockSource } from '#lib/backup/block-source.ts';
import type { NbdExport } from '#lib/backup/connection-document.ts';
import type { PoolSettings } from '#lib/backup/host-access.ts';
import { runIdOf } from '#lib/backup/run-id.ts';
import type { RunRequest } from '#lib/backup/snapshot-disks.ts';
import { type CredentialReader, secretsManagerCredentials } from '#lib/credentials/secrets-manager.ts';
import type { Executions } from '#lib/executions/executions.ts';
import { stepFunctionsExecutions } from '#lib/executions/step-functions.ts';
import type { Shard } from '#lib/format/plan.ts';
import { connectNbd } from '#lib/nbd/connect.ts';
import { Secret } from '#lib/secret.ts';
import { kmsSigner } from '#lib/signing/kms-signer.ts';
import type { Signer } from '#lib/signing/signer.ts';
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
import { type AwsServices, startAwsServices } from '../servers/aws-services.ts';
import { type FaultProxy, startFaultProxy } from '../servers/fault-proxy.ts';
import { type S3FaultGateway, startS3FaultGateway } from '../servers/s3-fault-gateway.ts';

const BUCKET = 'vault';
export const CONNECTION_KINDS = ['XAPI', 'NBD', 'S3', 'Secrets Manager', 'Step Functions', 'KMS'] as const;
export type ConnectionKind = (typeof CONNECTION_KINDS)[number];
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
const S3_TIMEOUTS = { connectMs: 4_000, idleMs: 3_000, answerMs: 10_000 };
const SERVICE_TIMEOUTS = { connectionTimeout: 4_000, requestTimeout: 4_000, throwOnRequestTimeout: true };
/** Long on purpose: a machine that does much else is slow; rows that wait for the step's own end set it shorter. */
const STEP_MS = 90_000;

export class FaultSite implements AsyncDisposable {
  readonly lone: LoneSite;
  readonly proxies: Readonly<Record<ConnectionKind, FaultProxy>>;
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
  /** Hooks that ran and connections that went elsewhere. */
  #happened = 0;
  #struckBefore = 0;
  readonly #credentials: CredentialReader;
  readonly #executions: Executions;
  readonly #signer: Signer;
  readonly #resources: AsyncDisposableStack;
  readonly #opened: Disposable[] = [];

  private constructor(
    parts: Pick<FaultSite, 'lone' | 'proxies' | 'gateway' | 'server'> & { readonly services: AwsServices },
    resources: AsyncDisposableStack,
  ) {
    this.lone = parts.lone;
    this.proxies = parts.proxies;
    this.gateway = parts.gateway;
    this.server = parts.server;
    const [secrets, executions, kms] = [
      new SecretsManagerClient(this.#clientOf('Secrets Manager')),
      new SFNClient(this.#clientOf('Step Functions')),
      new KMSClient(this.#clientOf('KMS')),
    ];
    this.#credentials = secretsManagerCredentials(secrets);
    this.#executions = stepFunctionsExecutions(executions);
    this.#signer = kmsSigner(parts.services.keyArn, kms);
    for (const client of [secrets, executions, kms]) resources.defer(() => client.destroy());
    this.#resources = resources;
  }

  static async start(): Promise<FaultSite> {
    await using resources = new AsyncDisposableStack();
    const lone = resources.use(await LoneSite.start({ supporters: 1 }));
    const made = { site: undefined as FaultSite | undefined };
    const now = () => new Date(Date.now() + (made.site?.skewMs ?? 0));
    const server = resources.use(await startS3Server({ buckets: [BUCKET], now }));
    const gateway = resources.use(await startS3FaultGateway(server.endpoint));
    const secret = () => lone.sim.credentials;
    const services = resources.use(await startAwsServices({ secret, isRunning: () => made.site?.isRunning ?? false }));
    const before = async (port: number) => resources.use(await startFaultProxy({ port }));
    const proxies = {
      XAPI: await before(Number(new URL(lone.sim.url).port)),
      NBD: await before(lone.sim.nbdPort),
      S3: await before(Number(new URL(gateway.endpoint).port)),
      'Secrets Manager': await before(services.port),
      'Step Functions': await before(services.port),
      KMS: await before(services.port),
    };
    const site = new FaultSite({ lone, proxies, gateway, server, services }, resources.move());
    made.site = site;
    site.newVault('warm/');
    return site;
  }

  /** How often something failed on the way since the site was last whole. */
  get struck(): number {
    return this.#struckInAll() - this.#struckBefore;
  }

  #struckInAll(): number {
    const proxies = Object.values(this.proxies).reduce((sum, { struck, slowed }) => sum + struck + slowed, 0);
    return proxies + this.gateway.struck + this.#happened;
  }

  /** Everything that was set to fail works again. */
  heal(): void {
    for (const proxy of Object.values(this.proxies)) proxy.set({});
    this.gateway.set(undefined);
    this.otherSource = undefined;
    this.onFirstRead = undefined;
    this.beforeCommit = undefined;
    this.poolChanges = {};
    // A client that has learned a wrong time has to be new: the SDK does not try again what it learned a right one by.
    if (this.skewMs !== 0) this.newVault(this.#prefix);
    this.skewMs = 0;
    this.stepMs = STEP_MS;
    this.isRunning = false;
    this.#struckBefore = this.#struckInAll();
  }

  /** A vault of its own for the next row, in the same bucket. The healthy connection is that of `lone`. */
  newVault(prefix: string): void {
    this.#prefix = prefix;
    for (const store of this.#opened.splice(0)) store[Symbol.dispose]();
    this.lone.store = this.#open({ endpoint: this.server.endpoint });
  }

  get pool(): PoolSettings {
    const { pool } = this.lone;
    const { port } = this.proxies.XAPI;
    const credentials = (asked: { signal: AbortSignal }) => this.#credentials('pool', asked);
    return { ...pool, credentials, host: { ...pool.host, url: `https://127.0.0.1:${port}` }, ...this.poolChanges };
  }

  vaultThroughFaults(): ObjectStore {
    const endpoint = `http://127.0.0.1:${this.proxies.S3.port}`;
    return this.#open({ endpoint, timeouts: S3_TIMEOUTS, maxAttempts: 2 });
  }

  /**
   * One run as the workflow makes it. Rejects with the failure that ends it; the host is released in any case.
   * `beforeShard` is what happens before the readers of a shard.
   */
  async backUp(input: RunRequest, beforeShard?: (shard: Shard) => Promise<void>): Promise<RunId> {
    const store = this.vaultThroughFaults();
    const hooks = {
      beforeCommit: () => this.#happen(this.beforeCommit),
      ...(beforeShard === undefined ? {} : { beforeShard }),
    };
    return runSteps((contract, step) => this.#tried(contract, store, step), input, hooks);
  }

  async #happen(hook: (() => void | Promise<void>) | undefined): Promise<void> {
    if (hook === undefined) return;
    this.#happened++;
    await hook();
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
      executions: this.#executions,
      signer: this.#signer,
      connect: (address: NbdExport) => this.connect(address, signal),
    };
  }

  #clientOf(kind: ConnectionKind) {
    return {
      endpoint: `http://127.0.0.1:${this.proxies[kind].port}`,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      maxAttempts: 2,
      requestHandler: SERVICE_TIMEOUTS,
    };
  }

  async connect(address: NbdExport, signal: AbortSignal): Promise<BlockSource> {
    if (this.otherSource !== undefined) this.#happened++;
    const source = await (this.otherSource?.(signal) ??
      connectNbd({ ...address, port: this.proxies.NBD.port }, { signal, deadlines: NBD_DEADLINES }));
    return {
      exportBytes: source.exportBytes,
      ...(source.hostCheck === undefined ? {} : { hostCheck: source.hostCheck }),
      readInto: async (offsetBytes, target) => {
        const hook = this.onFirstRead;
        this.onFirstRead = undefined;
        await this.#happen(hook);
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
