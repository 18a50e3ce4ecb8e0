/** Reads a folder that CDK synthesized and answers what can run of it: state machines, functions, schedules. */

import * as z from 'zod/mini';
import { type ReadStack, readAssets, readStacks, UnreadableAssembly } from './assembly-files.ts';
import { nameResource } from './resource-names.ts';
import { type Environment, type ResourceNames, TemplateResolver } from './template.ts';

export interface LocalStateMachine {
  readonly arn: string;
  readonly name: string;
  /** Path of the construct, such as `Pipeline/Backup`; what callers look machines up by. */
  readonly constructPath: string;
  readonly definition: unknown;
}

export interface LocalFunction {
  readonly arn: string;
  readonly name: string;
  readonly constructPath: string;
  /** Folder with the bundled code. */
  readonly assetDirectory: string;
  /** `file.export` inside the folder. */
  readonly handler: string;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  readonly environment: Readonly<Record<string, string>>;
}

/** An EventBridge schedule; nothing here runs it. */
export interface LocalSchedule {
  readonly constructPath: string;
  readonly expression: string;
  readonly timezone: string;
  readonly enabled: boolean;
  readonly targetArn: string;
  readonly input: unknown;
}

/** What a bucket, secret, key or any other resource is called here. */
export interface LocalResource extends ResourceNames {
  readonly type: string;
  readonly constructPath: string;
  readonly name: string;
}

export interface CloudAssembly {
  readonly stateMachines: ReadonlyMap<string, LocalStateMachine>;
  readonly functions: ReadonlyMap<string, LocalFunction>;
  readonly schedules: readonly LocalSchedule[];
  /** By construct path: where the caller finds the bucket, the secret, the key. */
  readonly resources: ReadonlyMap<string, LocalResource>;
}

export interface AssemblySettings {
  readonly directory: string;
  /** Physical names by logical id or construct path; what is missing gets a generated name. */
  readonly physicalNames?: Readonly<Record<string, string>>;
  readonly environment?: Partial<Environment>;
}

const DEFAULT_ENVIRONMENT: Environment = { partition: 'aws', region: 'us-east-1', account: '000000000000' };
/** What Lambda takes when a template does not say. */
const DEFAULT_MEMORY_MB = 128;
const DEFAULT_TIMEOUT_SECONDS = 3;

const functionProperties = z.object({
  Handler: z.string(),
  Runtime: z.string(),
  MemorySize: z._default(z.number(), DEFAULT_MEMORY_MB),
  Timeout: z._default(z.number(), DEFAULT_TIMEOUT_SECONDS),
  Code: z.object({ S3Key: z.string() }),
  Environment: z._default(z.object({ Variables: z._default(z.record(z.string(), z.string()), {}) }), { Variables: {} }),
});
const machineProperties = z.object({
  DefinitionString: z.string(),
  StateMachineType: z.optional(z.literal('STANDARD', 'only Standard state machines run here')),
});
const scheduleProperties = z.object({
  ScheduleExpression: z.string(),
  ScheduleExpressionTimezone: z._default(z.string(), 'UTC'),
  State: z._default(z.string(), 'ENABLED'),
  Target: z.object({ Arn: z.string(), Input: z._default(z.string(), '{}') }),
});
/** Properties by which a template fixes a physical name; only text counts, a reference does not. */
const NAME_PROPERTIES = ['FunctionName', 'StateMachineName', 'BucketName', 'Name', 'RoleName', 'LogGroupName'];

interface Found<Properties> {
  readonly properties: Properties;
  readonly resource: LocalResource;
}

/** One reading of an assembly: names first, then everything that refers to them. */
class AssemblyReader {
  readonly resources = new Map<string, LocalResource>();
  readonly #stacks: readonly ReadStack[];
  readonly #resolver: TemplateResolver;

  constructor(stacks: readonly ReadStack[], settings: AssemblySettings) {
    this.#stacks = stacks;
    const environment = { ...DEFAULT_ENVIRONMENT, ...settings.environment };
    const byStack = new Map<string, ReadonlyMap<string, LocalResource>>();
    for (const stack of stacks) {
      const named = nameResources(stack, settings.physicalNames ?? {}, environment);
      byStack.set(stack.stackName, named);
      for (const resource of named.values()) this.resources.set(resource.constructPath, resource);
    }
    this.#resolver = new TemplateResolver({
      environment,
      stacks,
      namesOf: (stack, logicalId) => {
        const resource = byStack.get(stack.stackName)?.get(logicalId);
        if (resource !== undefined) return resource;
        throw new UnreadableAssembly(`${stack.stackName} refers to ${logicalId}, which is not in its template`);
      },
    });
  }

  /** Every resource of a type, parsed after its references are resolved. */
  find<Schema extends z.ZodMiniObject>(type: string, schema: Schema): Found<z.infer<Schema>>[] {
    return this.#stacks.flatMap((stack) =>
      [...stack.resources]
        .filter(([, resource]) => resource.type === type)
        .map(([logicalId, { properties }]) => {
          const resource = this.#resourceOf(stack, logicalId);
          const resolved = this.#resolver.resolve(only(properties, Object.keys(schema.shape)), stack);
          const parsed = schema.safeParse(resolved, { error: z.locales.en().localeError });
          if (parsed.success) return { properties: parsed.data, resource };
          throw new UnreadableAssembly(`${resource.constructPath} (${type}):\n${z.prettifyError(parsed.error)}`);
        }),
    );
  }

  #resourceOf(stack: ReadStack, logicalId: string): LocalResource {
    const resource = this.resources.get(stack.paths.get(logicalId) ?? `${stack.stackName}/${logicalId}`);
    if (resource !== undefined) return resource;
    throw new UnreadableAssembly(`${stack.stackName}.${logicalId} has no name`);
  }
}

/** Properties that nobody here asks for may refer to networks and roles, which have no meaning on this machine. */
function only(properties: unknown, names: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof properties !== 'object' || properties === null) return {};
  return Object.fromEntries(Object.entries(properties).filter(([name]) => names.includes(name)));
}

function demandedName(properties: unknown): string | undefined {
  const names = Object.values(only(properties, NAME_PROPERTIES));
  return names.find((name) => typeof name === 'string');
}

function nameResources(
  stack: ReadStack,
  physicalNames: Readonly<Record<string, string>>,
  environment: Environment,
): ReadonlyMap<string, LocalResource> {
  const named = new Map<string, LocalResource>();
  for (const [logicalId, { type, properties }] of stack.resources) {
    const constructPath = stack.paths.get(logicalId) ?? `${stack.stackName}/${logicalId}`;
    const physicalName = physicalNames[logicalId] ?? physicalNames[constructPath] ?? demandedName(properties);
    const names = nameResource({ type, logicalId, stackName: stack.stackName, physicalName }, environment);
    named.set(logicalId, { ...names, type, constructPath });
  }
  return named;
}

function byArn<Item extends { readonly arn: string }>(items: readonly Item[]): ReadonlyMap<string, Item> {
  return new Map(items.map((item) => [item.arn, item]));
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UnreadableAssembly(`${what} is not JSON after its references were resolved`, { cause });
  }
}

function localFunctions(reader: AssemblyReader, assets: ReadonlyMap<string, string>): LocalFunction[] {
  return reader.find('AWS::Lambda::Function', functionProperties).map(({ properties, resource }) => {
    const assetDirectory = assets.get(properties.Code.S3Key.replace(/\.zip$/, ''));
    if (assetDirectory === undefined) {
      throw new UnreadableAssembly(`${resource.constructPath}: no asset ${properties.Code.S3Key} in the assembly`);
    }
    return {
      arn: resource.attributes['Arn'] ?? resource.ref,
      name: resource.name,
      constructPath: resource.constructPath,
      assetDirectory,
      handler: properties.Handler,
      memoryMb: properties.MemorySize,
      timeoutSeconds: properties.Timeout,
      environment: properties.Environment.Variables,
    };
  });
}

function localStateMachines(reader: AssemblyReader): LocalStateMachine[] {
  return reader.find('AWS::StepFunctions::StateMachine', machineProperties).map(({ properties, resource }) => ({
    arn: resource.ref,
    name: resource.name,
    constructPath: resource.constructPath,
    definition: parseJson(properties.DefinitionString, `the definition of ${resource.constructPath}`),
  }));
}

function localSchedules(reader: AssemblyReader): LocalSchedule[] {
  return reader.find('AWS::Scheduler::Schedule', scheduleProperties).map(({ properties, resource }) => ({
    constructPath: resource.constructPath,
    expression: properties.ScheduleExpression,
    timezone: properties.ScheduleExpressionTimezone,
    enabled: properties.State === 'ENABLED',
    targetArn: properties.Target.Arn,
    input: parseJson(properties.Target.Input, `the input of ${resource.constructPath}`),
  }));
}

/** Throws UnreadableAssembly or UnresolvedReference, naming the resource that cannot be understood. */
export async function readCloudAssembly(settings: AssemblySettings): Promise<CloudAssembly> {
  const reader = new AssemblyReader(await readStacks(settings.directory), settings);
  const assets = await readAssets(settings.directory);
  return {
    stateMachines: byArn(localStateMachines(reader)),
    functions: byArn(localFunctions(reader, assets)),
    schedules: localSchedules(reader),
    resources: reader.resources,
  };
}
