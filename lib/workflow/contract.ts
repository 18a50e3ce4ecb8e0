/**
 * A contract is the one definition of a workflow step. The handler parses with it; the CDK builds the task, its Retry,
 * the function's environment and every reference to a field from it. A misspelt field, a forgotten environment
 * variable or a final failure in a retry list does not compile.
 */

import * as z from 'zod/mini';
import type { FailureClass } from '#lib/failure.ts';

/** A failure that may pass by itself; only these can be listed for another try. */
export type TransientFailureClass = FailureClass & { readonly transient: true };

export interface StepContract<
  Input extends z.ZodMiniType = z.ZodMiniType,
  Output extends z.ZodMiniType = z.ZodMiniType,
  Environment extends z.ZodMiniType = z.ZodMiniType,
> {
  /** Names the state, the file in functions/ and the deployed function alike. */
  readonly name: string;
  readonly input: Input;
  readonly output: Output;
  /** What the function reads from its environment when it starts. */
  readonly environment: Environment;
  /** Failures after which the workflow tries the step again; everything else ends the run. */
  readonly transient: readonly TransientFailureClass[];
  /** Failures that pass only when somebody else lets go of the host: tried again more patiently than the others. */
  readonly occupied: readonly TransientFailureClass[];
  readonly timeoutSeconds: number;
  readonly memoryMib: number;
}

/** Infers the contract's types; a contract without this call would forget its fields. */
export function step<Input extends z.ZodMiniType, Output extends z.ZodMiniType, Environment extends z.ZodMiniType>(
  contract: StepContract<Input, Output, Environment>,
): StepContract<Input, Output, Environment> {
  return contract;
}

/** Field names of a schema; of a union, those of any member. */
export type FieldOf<Schema extends z.ZodMiniType> =
  z.output<Schema> extends infer Value ? (Value extends unknown ? keyof Value & string : never) : never;

/** A value for each field that a step's input requires, as literal or as JSONata expression text. */
export type PayloadOf<Schema extends z.ZodMiniType> = { readonly [Field in keyof z.input<Schema>]: string };

/** What a function's environment has to hold, before parsing: the type for whoever sets it. */
export type EnvironmentOf<Contract extends StepContract> = z.input<Contract['environment']> & Record<string, string>;

/**
 * JSONata text that names a field of `schema`, valid where a state's input is a value of that schema: the state right
 * after the step that answers with it.
 */
export function field<Schema extends z.ZodMiniType>(_schema: Schema, name: FieldOf<Schema>): string {
  return `$states.input.${name}`;
}

/** The payload of a step that takes the state's input as it is. */
export const WHOLE_INPUT = '{% $states.input %}';

/** The text as Amazon States Language marks an expression. */
export function jsonata(expression: string): string {
  return `{% ${expression} %}`;
}

export const uuid = z.string().check(z.regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/));
export const runId = z.string().check(z.regex(/^[0-9a-f]{16}$/));
export const count = z.number().check(z.int(), z.nonnegative());

/** Where the vault is; every step needs it. */
export const vaultEnvironment = {
  VAULT_BUCKET: z.string().check(z.minLength(3)),
  /** Empty, or a path that ends in a slash. */
  VAULT_PREFIX: z.string().check(z.regex(/^$|\/$/)),
  /** Account that has to own the bucket, or `any`: a bucket of the same name could be somebody else's. */
  VAULT_OWNER: z.string().check(z.regex(/^\d{12}$|^any$/)),
};
