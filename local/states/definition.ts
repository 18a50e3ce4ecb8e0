/** The part of the Amazon States Language that runs here, as a schema: what is not in it is refused by name. */

import * as z from 'zod/mini';

/** A literal or a `{% %}` expression; checked when it is evaluated. */
const numberOrExpression = z.union([z.number(), z.string()]);
const assignment = z.optional(z.record(z.string(), z.unknown()));

const retrier = z.strictObject({
  Comment: z.optional(z.string()),
  ErrorEquals: z.array(z.string()),
  IntervalSeconds: z.optional(z.number()),
  MaxAttempts: z.optional(z.number()),
  BackoffRate: z.optional(z.number()),
  MaxDelaySeconds: z.optional(z.number()),
  JitterStrategy: z.optional(z.enum(['FULL', 'NONE'])),
});
export type Retrier = z.infer<typeof retrier>;

const catcher = z.strictObject({
  Comment: z.optional(z.string()),
  ErrorEquals: z.array(z.string()),
  Next: z.string(),
  Output: z.optional(z.unknown()),
  Assign: assignment,
});
const everyState = {
  Comment: z.optional(z.string()),
  QueryLanguage: z.optional(z.literal('JSONata', 'only JSONata runs here; JSONPath does not')),
};
const withOutput = { ...everyState, Output: z.optional(z.unknown()) };
const onward = { ...withOutput, Assign: assignment, Next: z.optional(z.string()), End: z.optional(z.literal(true)) };
const guarded = { ...onward, Retry: z.optional(z.array(retrier)), Catch: z.optional(z.array(catcher)) };

/** States with a start: the whole machine, a branch of a Parallel, or the inside of a Map. */
export interface StatesBlock {
  readonly StartAt: string;
  readonly States: Readonly<Record<string, State>>;
}
const state: z.ZodMiniType<State> = z.lazy(() => anyState);
const block = { Comment: z.optional(z.string()), StartAt: z.string(), States: z.record(z.string(), state) };

const passState = z.strictObject({ ...onward, Type: z.literal('Pass') });
const succeedState = z.strictObject({ ...withOutput, Type: z.literal('Succeed') });
const failState = z.strictObject({
  ...everyState,
  Type: z.literal('Fail'),
  Error: z.optional(z.string()),
  Cause: z.optional(z.string()),
});
const waitState = z.strictObject({
  ...onward,
  Type: z.literal('Wait'),
  Seconds: z.optional(numberOrExpression),
  Timestamp: z.optional(z.string()),
});
const choiceState = z.strictObject({
  ...withOutput,
  Type: z.literal('Choice'),
  Assign: assignment,
  Default: z.optional(z.string()),
  Choices: z.array(
    z.strictObject({
      Comment: z.optional(z.string()),
      Condition: z.union([z.string(), z.boolean()]),
      Next: z.string(),
      Assign: assignment,
      Output: z.optional(z.unknown()),
    }),
  ),
});
const taskState = z.strictObject({
  ...guarded,
  Type: z.literal('Task'),
  Resource: z.string(),
  Arguments: z.optional(z.unknown()),
  TimeoutSeconds: z.optional(numberOrExpression),
});
const parallelFields = z.strictObject({ ...guarded, Type: z.literal('Parallel'), Arguments: z.optional(z.unknown()) });
interface ParallelState extends z.infer<typeof parallelFields> {
  readonly Branches: readonly StatesBlock[];
}
const parallelState = z.extend(parallelFields, { Branches: z.array(z.strictObject(block)) });
const itemReader = z.strictObject({
  Resource: z.string(),
  ReaderConfig: z.strictObject({
    InputType: z.enum(['JSON', 'JSONL']),
    MaxItems: z.optional(numberOrExpression),
  }),
  Arguments: z.unknown(),
});
const resultWriter = z.strictObject({
  Resource: z.optional(z.string()),
  Arguments: z.optional(z.unknown()),
  WriterConfig: z.optional(
    z.strictObject({
      OutputType: z.optional(z.enum(['JSON', 'JSONL'])),
      Transformation: z.optional(z.enum(['NONE', 'COMPACT', 'FLATTEN'])),
    }),
  ),
});
const processorConfig = z.optional(
  z.strictObject({
    Mode: z.optional(z.enum(['INLINE', 'DISTRIBUTED'])),
    ExecutionType: z.optional(z.literal('STANDARD', 'Express children last five minutes at most; use STANDARD')),
  }),
);
const mapFields = z.strictObject({
  ...guarded,
  Type: z.literal('Map'),
  Label: z.optional(z.string()),
  Items: z.optional(z.unknown()),
  ItemReader: z.optional(itemReader),
  ItemSelector: z.optional(z.unknown()),
  MaxConcurrency: z.optional(numberOrExpression),
  ToleratedFailureCount: z.optional(numberOrExpression),
  ToleratedFailurePercentage: z.optional(numberOrExpression),
  ResultWriter: z.optional(resultWriter),
});
interface MapState extends z.infer<typeof mapFields> {
  readonly ItemProcessor: StatesBlock & { readonly ProcessorConfig?: z.infer<typeof processorConfig> };
}
const mapState = z.extend(mapFields, { ItemProcessor: z.strictObject({ ...block, ProcessorConfig: processorConfig }) });

type PlainState = z.infer<
  typeof passState | typeof succeedState | typeof failState | typeof waitState | typeof choiceState | typeof taskState
>;
export type State = PlainState | ParallelState | MapState;
export type StateOf<Type extends State['Type']> = Extract<State, { Type: Type }>;
/** A state that may be tried again and whose errors may be caught. */
export type GuardedState = StateOf<'Task' | 'Parallel' | 'Map'>;

const anyState = z.discriminatedUnion('Type', [
  passState,
  succeedState,
  failState,
  waitState,
  choiceState,
  taskState,
  parallelState,
  mapState,
]);
export const machineDefinition = z.strictObject({
  ...block,
  Version: z.optional(z.string()),
  QueryLanguage: z.optional(z.enum(['JSONata', 'JSONPath'])),
  TimeoutSeconds: z.optional(z.number()),
});
export type MachineDefinition = z.infer<typeof machineDefinition>;

/** A Map whose iterations are executions of their own. */
export function isDistributed(map: StateOf<'Map'>): boolean {
  return map.ItemProcessor.ProcessorConfig?.Mode === 'DISTRIBUTED';
}

/** The blocks that stand inside a state, with how messages name them. */
export function innerBlocks(state: State): readonly { readonly block: StatesBlock; readonly name: string }[] {
  if (state.Type === 'Parallel') return state.Branches.map((block, index) => ({ block, name: `Branches[${index}]` }));
  return state.Type === 'Map' ? [{ block: state.ItemProcessor, name: 'ItemProcessor' }] : [];
}
