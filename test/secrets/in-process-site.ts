/** The workflows as they are deployed, their handlers called in this process, which is cheaper than a process for each function. */

import { Secret } from '#lib/secret.ts';
import { s3Store } from '#lib/store/s3.ts';
import { type S3Server, type S3ServerSettings, startS3Server } from '#local/s3/server.ts';
import { serveSecrets } from '#local/secrets-endpoint.ts';
import { serveWorkflows } from '#local/states/endpoint.ts';
import type { Execution } from '#local/states/execution.ts';
import type { FunctionAnswer } from '#local/states/ports.ts';
import { systemClock } from '#local/states/system-clock.ts';
import { Workflows } from '#local/states/workflows.ts';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import {
  FUNCTION_ARN,
  type Installation,
  MACHINE_ARN,
  resolved,
  synthesize,
  testSettings,
} from '../cdk/installation.ts';

const BUCKET = 'vault';
const WAIT_FACTOR = 0.01;
const STEP_MS = 900_000;
const machineArn = (name: string) => MACHINE_ARN.replace(/backup$/, name);

export interface SiteSecrets {
  readonly password: string;
  readonly wrongPassword: string;
  readonly signingKeyFile: string;
  readonly s3: S3ServerSettings;
}

export class InProcessSite implements AsyncDisposable {
  readonly sim: Simulator;
  readonly s3: S3Server;
  /** What the functions wrote to their log, metrics included. */
  readonly logs: string[] = [];
  readonly #resources: AsyncDisposableStack;
  #workflows: Workflows | undefined;

  private constructor(sim: Simulator, s3: S3Server, resources: AsyncDisposableStack) {
    this.sim = sim;
    this.s3 = s3;
    this.#resources = resources;
  }

  static async start({ password, wrongPassword, signingKeyFile, s3: settings }: SiteSecrets): Promise<InProcessSite> {
    await using resources = new AsyncDisposableStack();
    const sim = resources.use(
      await startSimulator({ timings: FAST_TIMINGS, credentials: { username: 'root', password } }),
    );
    const s3 = resources.use(await startS3Server({ buckets: [BUCKET], ...settings }));
    const pool = (name: string) => ({
      name,
      url: sim.url,
      fingerprint: sim.fingerprint,
      secretName: `blockferry/${name}`,
    });
    const installation = synthesize(
      testSettings({
        pools: [pool('good'), pool('wrong-password')],
        vault: { prefix: 'site/', owner: 'any' },
        policies: [],
      }),
    );
    const secrets = await serveSecrets((name) =>
      JSON.stringify({ username: 'root', password: name.endsWith('wrong-password') ? wrongPassword : password }),
    );
    const site = new InProcessSite(sim, s3, resources.move());
    const environment = {
      ...site.#storeEnvironment(),
      SIGNING_KEY_FILE: signingKeyFile,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
    };
    const { definition, upkeep, restore, restoreDisk } = installation;
    const machines = { backup: definition, upkeep, restore, 'restore-disk': restoreDisk };
    site.#workflows = new Workflows(
      Object.entries(machines).map(([name, machine]) => ({ arn: machineArn(name), definition: machine })),
      {
        functions: {
          invoke: (arn, payload) =>
            invoke(stepOf(arn), payload, {
              ...environmentOf(installation, stepOf(arn)),
              ...environment,
              AWS_ENDPOINT_URL_SFN: states.url,
            }),
        },
        objects: site.#objects(),
        clock: systemClock,
        randomness: { fraction: Math.random, uuid: () => crypto.randomUUID() },
        waitFactor: WAIT_FACTOR,
      },
    );
    const states = await serveWorkflows(site.#workflows);
    for (const { server } of [secrets, states]) {
      site.#resources.defer(() => {
        server.closeAllConnections();
        server.close();
      });
    }
    site.#listen();
    return site;
  }

  get executions(): readonly Execution[] {
    return this.#workflows?.executions ?? [];
  }

  async run(workflow: 'backup' | 'restore' | 'upkeep', input: object): Promise<Execution> {
    if (this.#workflows === undefined) throw new Error('the site has not started');
    const execution = await this.#workflows.start({ stateMachineArn: machineArn(workflow), input });
    await execution.finished;
    return execution;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }

  /** Functions write lines of JSON to the output of this process, as Lambda's runtime reads them. */
  #listen(): void {
    for (const stream of [process.stdout, process.stderr]) {
      const write = stream.write.bind(stream);
      stream.write = (chunk: string | Uint8Array, ...rest: never[]) => {
        if (typeof chunk !== 'string' || !chunk.startsWith('{')) return write(chunk, ...rest);
        this.logs.push(chunk);
        return true;
      };
      this.#resources.defer(() => {
        stream.write = write;
      });
    }
  }

  #credentials() {
    const { accessKeyId, secretAccessKey } = this.s3.credentials;
    return { accessKeyId, secretAccessKey: new Secret(secretAccessKey) };
  }

  #storeEnvironment(): Record<string, string> {
    const { accessKeyId, secretAccessKey } = this.s3.credentials;
    return {
      AWS_ENDPOINT_URL_S3: this.s3.endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    };
  }

  #objects() {
    const store = s3Store({ bucket: BUCKET, endpoint: this.s3.endpoint, credentials: this.#credentials() });
    this.#resources.use(store);
    return {
      get: ({ key }: { key: string }) => store.get(key),
      put: async ({ key }: { key: string }, body: Uint8Array) => {
        await store.put(key, body);
      },
    };
  }
}

const stepOf = (arn: string) => arn.replace(FUNCTION_ARN, '').replace(/:\$LATEST$/, '');

async function invoke(step: string, payload: unknown, environment: Record<string, string>): Promise<FunctionAnswer> {
  Object.assign(process.env, environment);
  const { handler } = await import(`#functions/${step}.ts`);
  try {
    const context = { awsRequestId: step, getRemainingTimeInMillis: () => STEP_MS };
    return { kind: 'success', payload: await handler(payload, context) };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return {
      kind: 'error',
      errorType: error.name,
      errorMessage: error.message,
      trace: (error.stack ?? '').split('\n'),
    };
  }
}

/** What the template says the function has in its environment. */
function environmentOf(installation: Installation, step: string): Record<string, string> {
  const found = Object.entries(installation.pipeline.findResources('AWS::Lambda::Function')).find(([id]) =>
    id.startsWith(step.replaceAll('-', '')),
  );
  const variables: Record<string, unknown> = found?.[1]['Properties'].Environment.Variables;
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, resolved(value)]));
}
