/** A site whose workflow runs as it is deployed: a simulated pool, an S3 server, and a local installation between them. */

import { Secret } from '#lib/secret.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { s3Store } from '#lib/store/s3.ts';
import { type InstallationSettings, LocalInstallation, type LocalPool } from '#local/installation.ts';
import type { InvocationReport, LogLine } from '#local/lambda/function-host.ts';
import { type S3Server, type S3ServerSettings, startS3Server } from '#local/s3/server.ts';
import type { Execution } from '#local/states/execution.ts';
import { type Simulator, type SimulatorOptions, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';

const BUCKET = 'vault';

export interface LocalSiteOptions extends SimulatorOptions {
  /** Made from the pool that works; the first is the one that works. */
  readonly otherPools?: (good: LocalPool) => readonly LocalPool[];
  /** The bucket that the installation is told of; the one that exists unless given. */
  readonly bucket?: string;
  readonly waitFactor?: number;
  readonly onInvocation?: (report: InvocationReport) => void;
  readonly s3?: S3ServerSettings;
  readonly signingKeyFile?: string;
}

export class LocalSite implements AsyncDisposable {
  readonly sim: Simulator;
  readonly s3: S3Server;
  readonly store: ObjectStore;
  readonly logs: LogLine[];
  readonly #installation: LocalInstallation;
  readonly #resources: AsyncDisposableStack;

  private constructor(parts: {
    sim: Simulator;
    s3: S3Server;
    installation: LocalInstallation;
    logs: LogLine[];
    resources: AsyncDisposableStack;
  }) {
    this.sim = parts.sim;
    this.s3 = parts.s3;
    this.logs = parts.logs;
    this.#installation = parts.installation;
    this.#resources = parts.resources;
    this.store = s3Store({ bucket: BUCKET, endpoint: parts.s3.endpoint, credentials: credentialsOf(parts.s3) });
  }

  static async start(options: LocalSiteOptions = {}): Promise<LocalSite> {
    await using resources = new AsyncDisposableStack();
    const sim = resources.use(await startSimulator({ timings: FAST_TIMINGS, ...options }));
    const s3 = resources.use(await startS3Server({ buckets: [BUCKET], ...options.s3 }));
    const logs: LogLine[] = [];
    const { username, password } = sim.credentials;
    const good = { name: 'good', url: sim.url, fingerprint: sim.fingerprint, username, password: new Secret(password) };
    const settings: InstallationSettings = {
      pools: [good, ...(options.otherPools?.(good) ?? [])],
      vault: {
        bucket: options.bucket ?? BUCKET,
        prefix: 'site/',
        endpoint: s3.endpoint,
        credentials: credentialsOf(s3),
        ...(options.signingKeyFile === undefined ? {} : { signingKeyFile: options.signingKeyFile }),
      },
      waitFactor: options.waitFactor ?? 0.01,
      onLog: (line) => logs.push(line),
      ...(options.onInvocation === undefined ? {} : { onInvocation: options.onInvocation }),
    };
    const installation = resources.use(await LocalInstallation.start(settings));
    return new LocalSite({ sim, s3, logs, installation, resources: resources.move() });
  }

  /** Every execution so far, readers included. */
  get executions(): readonly Execution[] {
    return this.#installation.executions;
  }

  async backUp(request: { vm: string } & Readonly<Record<string, unknown>>): Promise<Execution> {
    const execution = await this.#installation.start('backup', { pool: 'good', ...request });
    await execution.finished;
    return execution;
  }

  /** Starts a fleet run; `finished` of the execution resolves at its end. */
  startFleet(policy: { policy: string; select: unknown; readers?: number }): Promise<Execution> {
    return this.#installation.start('fleet', { pool: 'good', ...policy });
  }

  async restore(request: { point: string; sr: string; pool?: string } & Record<string, unknown>): Promise<Execution> {
    const execution = await this.#installation.start('restore', { pool: 'good', ...request });
    await execution.finished;
    return execution;
  }

  async keepUp(): Promise<Execution> {
    const execution = await this.#installation.start('upkeep', {});
    await execution.finished;
    return execution;
  }

  /** Keys of all restore points in the bucket. */
  async pointKeys(): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of this.store.list('site/vms/')) if (key.includes('/points/')) keys.push(key);
    return keys;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }
}

function credentialsOf({ credentials: { accessKeyId, secretAccessKey } }: S3Server) {
  return { accessKeyId, secretAccessKey: new Secret(secretAccessKey) };
}
