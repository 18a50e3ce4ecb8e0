/** Resolves the CloudFormation functions that CDK writes, for one set of stacks that were never deployed. */

import * as z from 'zod/mini';
import { Failure } from '#lib/failure.ts';

/** The assembly refers to something that this reader does not know how to name. */
export class UnresolvedReference extends Failure {
  static override readonly failureName = 'UnresolvedReference';
}

/** The account that the local run pretends to be. */
export interface Environment {
  readonly partition: string;
  readonly region: string;
  readonly account: string;
}

/** What CloudFormation would answer for one resource. */
export interface ResourceNames {
  /** The value of `Ref`. */
  readonly ref: string;
  /** The values of `Fn::GetAtt` by attribute name. */
  readonly attributes: Readonly<Record<string, string>>;
}

export interface StackTemplate {
  readonly stackName: string;
  readonly resources: ReadonlyMap<string, { readonly type: string; readonly properties: unknown }>;
  readonly outputs: ReadonlyMap<string, { readonly value: unknown; readonly exportName: unknown }>;
}

/** Everything a reference can lead to. */
export interface Surroundings {
  readonly environment: Environment;
  readonly stacks: readonly StackTemplate[];
  readonly namesOf: (stack: StackTemplate, logicalId: string) => ResourceNames;
}

/** Nesting of functions inside each other, outputs of other stacks included; CDK needs about five. */
const MAX_DEPTH = 32;

const intrinsic = z.union([
  z.strictObject({ Ref: z.string() }),
  z.strictObject({ 'Fn::GetAtt': z.tuple([z.string(), z.string()]) }),
  z.strictObject({ 'Fn::Join': z.tuple([z.string(), z.array(z.unknown())]) }),
  z.strictObject({ 'Fn::Sub': z.string() }),
  z.strictObject({ 'Fn::Select': z.tuple([z.union([z.string(), z.number()]), z.unknown()]) }),
  z.strictObject({ 'Fn::Split': z.tuple([z.string(), z.unknown()]) }),
  z.strictObject({ 'Fn::ImportValue': z.unknown() }),
  z.strictObject({
    'Fn::GetStackOutput': z.object({ StackName: z.string(), OutputName: z.string() }),
  }),
]);
type Intrinsic = z.infer<typeof intrinsic>;

export class TemplateResolver {
  readonly #surroundings: Surroundings;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  /** The value with every function in it replaced. Throws UnresolvedReference. */
  resolve(value: unknown, stack: StackTemplate, depth = 0): unknown {
    if (depth > MAX_DEPTH) throw new UnresolvedReference(`references of ${stack.stackName} lead in a circle`);
    if (Array.isArray(value)) return value.map((item) => this.resolve(item, stack, depth + 1));
    if (typeof value !== 'object' || value === null) return value;
    const [onlyKey = '', ...otherKeys] = Object.keys(value);
    if (otherKeys.length === 0 && (onlyKey === 'Ref' || onlyKey.startsWith('Fn::'))) {
      const parsed = intrinsic.safeParse(value);
      if (parsed.success) return this.#call(parsed.data, stack, depth + 1);
      throw new UnresolvedReference(`${stack.stackName} uses ${JSON.stringify(value)}, which is not understood here`);
    }
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, this.resolve(part, stack, depth + 1)]));
  }

  /** The value as text. Throws UnresolvedReference when it is none. */
  text(value: unknown, stack: StackTemplate, depth = 0): string {
    const resolved = this.resolve(value, stack, depth);
    if (typeof resolved === 'string') return resolved;
    if (typeof resolved === 'number' || typeof resolved === 'boolean') return String(resolved);
    throw new UnresolvedReference(`${stack.stackName} has ${JSON.stringify(resolved)} where text is needed`);
  }

  #call(call: Intrinsic, stack: StackTemplate, depth: number): unknown {
    if ('Ref' in call) return this.#ref(call.Ref, stack);
    if ('Fn::GetAtt' in call) return this.#attribute(call['Fn::GetAtt'], stack);
    if ('Fn::Sub' in call) return this.#substitute(call['Fn::Sub'], stack);
    if ('Fn::Join' in call) {
      const [separator, parts] = call['Fn::Join'];
      return parts.map((part) => this.text(part, stack, depth)).join(separator);
    }
    if ('Fn::Split' in call) return this.text(call['Fn::Split'][1], stack, depth).split(call['Fn::Split'][0]);
    if ('Fn::Select' in call) {
      const [index, list] = call['Fn::Select'];
      return z.array(z.unknown()).parse(this.resolve(list, stack, depth))[Number(index)];
    }
    if ('Fn::ImportValue' in call) return this.#exported(this.text(call['Fn::ImportValue'], stack, depth), depth);
    return this.#output(call['Fn::GetStackOutput'], depth);
  }

  #ref(name: string, stack: StackTemplate): string {
    const { partition, region, account } = this.#surroundings.environment;
    switch (name) {
      case 'AWS::Partition':
        return partition;
      case 'AWS::Region':
        return region;
      case 'AWS::AccountId':
        return account;
      case 'AWS::URLSuffix':
        return 'amazonaws.com';
      case 'AWS::StackName':
        return stack.stackName;
      case 'AWS::StackId':
        return `arn:${partition}:cloudformation:${region}:${account}:stack/${stack.stackName}/local`;
      default:
        return this.#surroundings.namesOf(stack, name).ref;
    }
  }

  #attribute([logicalId, attribute]: readonly [string, string], stack: StackTemplate): string {
    const value = this.#surroundings.namesOf(stack, logicalId).attributes[attribute];
    if (value !== undefined) return value;
    const type = stack.resources.get(logicalId)?.type;
    throw new UnresolvedReference(`${stack.stackName}.${logicalId} (${type}) has no known attribute ${attribute}`);
  }

  #substitute(template: string, stack: StackTemplate): string {
    return template.replaceAll(/\$\{(!?)([^}]+)\}/g, (_whole, escaped: string, name: string) => {
      if (escaped === '!') return `\${${name}}`;
      const [logicalId = '', attribute] = name.split('.');
      return attribute === undefined ? this.#ref(logicalId, stack) : this.#attribute([logicalId, attribute], stack);
    });
  }

  #exported(exportName: string, depth: number): unknown {
    for (const stack of this.#surroundings.stacks) {
      for (const output of stack.outputs.values()) {
        if (output.exportName === undefined || this.text(output.exportName, stack, depth) !== exportName) continue;
        return this.resolve(output.value, stack, depth);
      }
    }
    throw new UnresolvedReference(`no stack of the assembly exports ${exportName}`);
  }

  #output(wanted: { StackName: string; OutputName: string }, depth: number): unknown {
    const stack = this.#surroundings.stacks.find(({ stackName }) => stackName === wanted.StackName);
    const output = stack?.outputs.get(wanted.OutputName);
    if (stack === undefined || output === undefined) {
      throw new UnresolvedReference(`the assembly has no output ${wanted.StackName}.${wanted.OutputName}`);
    }
    return this.resolve(output.value, stack, depth);
  }
}
