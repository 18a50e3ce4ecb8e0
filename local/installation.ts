/**
 * An installation of Blockferry on this machine: the stacks as CDK synthesizes them, their state machines interpreted,
 * their functions run as they are bundled, against AWS S3 or any S3-compatible endpoint.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Secret } from '#lib/secret.ts';
import { s3Store } from '#lib/store/s3.ts';
import type { S3Credentials } from '#lib/store/s3-client.ts';
import type { CloudAssembly } from './assembly/cloud-assembly.ts';
import { FunctionHost, type InvocationReport, type LogLine } from './lambda/function-host.ts';
import { serveSecrets } from './secrets-endpoint.ts';
import { serveWorkflows } from './states/endpoint.ts';
import type { Execution } from './states/execution.ts';
import type { HistoryEvent } from './states/history.ts';
import type { ObjectLocation } from './states/ports.ts';
import { systemClock } from './states/system-clock.ts';
import { Workflows } from './states/workflows.ts';
import { SynthesisFailed, synthesize } from './synthesis.ts';

const DEFAULT_REGION = 'us-east-1';

export interface LocalPool {
  readonly name: string;
  readonly url: string;
  /** SHA-256 fingerprint of the host's certificate. */
  readonly fingerprint: string;
  readonly username: string;
  readonly password: Secret;
}

export interface LocalVault {
  readonly bucket: string;
  /** Empty, or a path that ends in a slash. */
  readonly prefix: string;
  /** An S3-compatible server; left out for S3 itself. */
  readonly endpoint?: string;
  readonly region?: string;
  readonly credentials: S3Credentials;
  /** Needs a bucket that was made with Object Lock. */
  readonly objectLock?: 'governance' | 'compliance';
  /** PEM file of a private key on P-256 that signs the heads of ledgers. */
  readonly signingKeyFile?: string;
}

export interface InstallationSettings {
  readonly pools: readonly LocalPool[];
  readonly vault: LocalVault;
  /** As in the settings file. */
  readonly policies?: readonly object[];
  /** Whether functions may take more memory than they have on Lambda. */
  readonly memoryLimit?: 'enforce' | 'report';
  /** Wait states and pauses last this much of their time. */
  readonly waitFactor?: number;
  readonly onEvent?: (event: HistoryEvent, executionArn: string) => void;
  readonly onLog?: (line: LogLine) => void;
  readonly onInvocation?: (report: InvocationReport) => void;
}

export class LocalInstallation implements AsyncDisposable {
  readonly #folder: string;
  readonly #servers: readonly Server[];
  readonly #functions: FunctionHost;
  readonly #workflows: Workflows;
  readonly #machines: Machines;

  private constructor(folder: string, running: RunningParts, machines: Machines) {
    this.#folder = folder;
    this.#servers = running.servers;
    this.#functions = running.functions;
    this.#workflows = running.workflows;
    this.#machines = machines;
  }

  static async start(settings: InstallationSettings): Promise<LocalInstallation> {
    const folder = await mkdtemp(join(tmpdir(), 'blockferry-'));
    try {
      const region = settings.vault.region ?? DEFAULT_REGION;
      const assembly = await synthesize(folder, installationFile(settings), region);
      return new LocalInstallation(folder, await run(assembly, settings, region), machinesOf(assembly));
    } catch (cause) {
      await rm(folder, { recursive: true, force: true });
      throw cause;
    }
  }

  /** Every execution so far, children of the distributed map included, with their histories. */
  get executions(): readonly Execution[] {
    return this.#workflows.executions;
  }

  /** Starts a workflow; `finished` of the execution resolves when it has ended, whatever its end. */
  start(workflow: Workflow, request: object): Promise<Execution> {
    return this.#workflows.start({ stateMachineArn: this.#machines[workflow], input: request });
  }

  /** Ends an execution as an operator would. */
  stop(execution: Execution): void {
    this.#workflows.stop(execution.executionArn, { cause: 'stopped on this machine' });
  }

  /** Ends what runs, every process included, and removes what was synthesized. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#workflows.close();
    await this.#functions.stop();
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

type Workflow = 'backup' | 'fleet' | 'upkeep' | 'restore';

/** ARNs of the workflows that can be started here. */
type Machines = Readonly<Record<Workflow, string>>;

function machinesOf(assembly: CloudAssembly): Machines {
  const arn = (workflow: Workflow) => machineArn(assembly, workflow);
  return { backup: arn('backup'), fleet: arn('fleet'), upkeep: arn('upkeep'), restore: arn('restore') };
}

function machineArn(assembly: CloudAssembly, workflow: Workflow): string {
  const machine = [...assembly.stateMachines.values()].find(({ name }) => name.endsWith(`-${workflow}`));
  if (machine === undefined) throw new SynthesisFailed(`the synthesized stacks hold no ${workflow} workflow`);
  return machine.arn;
}

interface RunningParts {
  readonly servers: readonly Server[];
  readonly functions: FunctionHost;
  readonly workflows: Workflows;
}

async function run(assembly: CloudAssembly, settings: InstallationSettings, region: string): Promise<RunningParts> {
  const secrets = await serveSecrets((name) => secretOf(settings, name));
  // The functions ask the workflows, which call the functions: the address is filled in before the first call.
  const environment: Record<string, string> = {
    ...storeEnvironment(settings.vault),
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
  };
  const { memoryLimit, onLog, onInvocation, waitFactor } = settings;
  const functions = new FunctionHost({
    functions: assembly.functions.values(),
    region,
    environment,
    ...(memoryLimit === undefined ? {} : { memoryLimit }),
    ...(onLog === undefined ? {} : { onLog }),
    ...(onInvocation === undefined ? {} : { onInvocation }),
  });
  const ports = {
    functions,
    objects: objectAccess(settings.vault),
    clock: systemClock,
    randomness: { fraction: Math.random, uuid: () => crypto.randomUUID() },
    ...(waitFactor === undefined ? {} : { waitFactor }),
  };
  const workflows = new Workflows(assembly.stateMachines.values(), ports, settings.onEvent);
  const states = await serveWorkflows(workflows);
  environment['AWS_ENDPOINT_URL_SFN'] = states.url;
  return { servers: [secrets.server, states.server], functions, workflows };
}

/** What blockferry.json would say of this machine. */
function installationFile({ pools, vault, policies = [] }: InstallationSettings): object {
  return {
    policies,
    pools: pools.map(({ name, url, fingerprint }) => ({ name, url, fingerprint, secretName: secretName(name) })),
    vault: {
      bucket: vault.bucket,
      prefix: vault.prefix,
      owner: 'any',
      ...(vault.objectLock && { objectLock: { mode: vault.objectLock } }),
    },
  };
}

const secretName = (pool: string) => `blockferry/${pool}`;

function secretOf({ pools }: InstallationSettings, name: string): string | undefined {
  const pool = pools.find((candidate) => secretName(candidate.name) === name);
  return pool && JSON.stringify({ username: pool.username, password: pool.password.reveal() });
}

function storeEnvironment({ endpoint, credentials, signingKeyFile }: LocalVault): Record<string, string> {
  return {
    ...(signingKeyFile === undefined ? {} : { SIGNING_KEY_FILE: signingKeyFile }),
    ...(endpoint === undefined ? {} : { AWS_ENDPOINT_URL_S3: endpoint }),
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey.reveal(),
    ...(credentials.sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: credentials.sessionToken.reveal() }),
  };
}

/** The distributed map reads its items and writes its results with the same credentials as the functions. */
function objectAccess({ endpoint, region, credentials }: LocalVault) {
  const where = {
    credentials,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
  };
  return {
    async get({ bucket, key }: ObjectLocation) {
      using store = s3Store({ bucket, ...where });
      return await store.get(key);
    },
    async put({ bucket, key }: ObjectLocation, body: Uint8Array) {
      using store = s3Store({ bucket, ...where });
      await store.put(key, body);
    },
  };
}
