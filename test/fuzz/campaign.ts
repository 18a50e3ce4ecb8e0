/**
 * Plays mutated inputs against one parser. What counts as coverage is the kind of outcome: the name and the wording of a
 * refusal without its numbers and names, or what the target says of a success. An input with a new kind of outcome joins
 * the pool that is mutated further, as a fuzzer guided by branches would keep it.
 *
 * The invariants: a parser answers or refuses by a named failure, nothing else; within a deadline; in bounded memory.
 */

import { setImmediate as turn } from 'node:timers/promises';
import { Failure } from '#lib/failure.ts';
import { readCorpus } from './corpus.ts';
import { Mutator } from './mutator.ts';
import type { FuzzTarget } from './target.ts';

/**
 * Processor time of the thread, which a machine that does much else, or a campaign that is paused, does not lengthen.
 * The largest mutated input has 384 KiB; at 10 MB/s, slower than any parser here, it takes 40 ms.
 */
const INPUT_DEADLINE_MS = 250;
/** Collections of garbage and compilation make a quick input look slow: it is looked at again. */
const LOOK_AGAIN_MS = 25;
const SLOW_LOOKS = 4;
const MAX_KINDS = 512;
/** What was blown up shows once that it was; to change it further costs more than it finds. */
const MAX_FOUND_BYTES = 8_192;
const TURN_EVERY = 256;

/** An input that a parser did not survive as it should. */
export class Finding extends Error {
  override readonly name = 'Finding';
}

const SHOWN_BYTES = 2_000;

function described(target: FuzzTarget, what: string, input: Buffer): string {
  const cut = input.length > SHOWN_BYTES ? ` (the first ${SHOWN_BYTES} of ${input.length} bytes)` : '';
  return `${target.name}: ${what}; the input in base64: ${input.toString('base64', 0, SHOWN_BYTES)}${cut}`;
}

export interface CampaignFigures {
  readonly inputs: number;
  readonly durationMs: number;
  readonly refused: number;
  readonly slowestMs: number;
  /** Kinds of outcome with the first input that had each. */
  readonly outcomes: ReadonlyMap<string, Buffer>;
}

export interface CampaignSettings {
  readonly inputs: number;
  readonly seed: number;
  /** Told now and then how many inputs were played. */
  readonly onProgress?: (inputs: number) => void;
}

export async function playCampaign(target: FuzzTarget, settings: CampaignSettings): Promise<CampaignFigures> {
  const mutator = new Mutator(settings.seed, target.dictionary);
  const pool = { seeds: await target.seeds(), found: [...(await readCorpus(target.name)).values()] };
  const outcomes = new Map<string, Buffer>();
  for (const input of [...pool.seeds, ...pool.found]) outcomes.set((await outcomeOf(target, input)).kind, input);
  const started = performance.now();
  let slowestMs = 0;
  let refused = 0;
  for (let i = 0; i < settings.inputs; i++) {
    const input = mutator.mutate(pool, target.isJson === true);
    const { kind, isRefusal, tookMs } = await outcomeOf(target, input);
    if (isRefusal) refused++;
    slowestMs = Math.max(slowestMs, tookMs);
    if (!outcomes.has(kind) && outcomes.size < MAX_KINDS) {
      outcomes.set(kind, input);
      if (input.length <= MAX_FOUND_BYTES) pool.found.push(input);
    }
    if (i % TURN_EVERY === 0) {
      await turn();
      settings.onProgress?.(i);
    }
  }
  return { inputs: settings.inputs, durationMs: performance.now() - started, refused, slowestMs, outcomes };
}

interface Outcome {
  readonly kind: string;
  readonly isRefusal: boolean;
  readonly tookMs: number;
}

/** Throws a Finding for what is neither an answer nor a refusal, and for what takes too long. */
export async function outcomeOf(target: FuzzTarget, input: Buffer): Promise<Outcome> {
  let outcome = await parseOnce(target, input);
  for (let look = 1; look < SLOW_LOOKS && outcome.tookMs > LOOK_AGAIN_MS; look++) {
    const again = await parseOnce(target, input);
    if (again.tookMs < outcome.tookMs) outcome = again;
  }
  if (outcome.tookMs <= INPUT_DEADLINE_MS) return outcome;
  throw new Finding(
    described(target, `it took ${Math.round(outcome.tookMs)} ms of the processor, each of ${SLOW_LOOKS} times`, input),
  );
}

async function parseOnce(target: FuzzTarget, input: Buffer): Promise<Outcome> {
  // A parser may keep or change its input; the original is needed for the report.
  const copy = Buffer.from(input);
  const began = process.threadCpuUsage();
  try {
    const answer = target.parse(copy);
    const settled = answer instanceof Promise ? await answer : answer;
    const tookMs = threadMs(began);
    return { kind: typeof settled === 'string' ? `ok: ${masked(settled, input)}` : 'ok', isRefusal: false, tookMs };
  } catch (error) {
    const tookMs = threadMs(began);
    const isRefusal =
      error instanceof Failure || (error instanceof Error && target.refusals?.includes(error.name) === true);
    if (!isRefusal) throw new Finding(described(target, `it threw ${String(error)}`, input), { cause: error });
    return { kind: `${error.name}: ${masked(`${error.message} ${causeOf(error)}`, input)}`, isRefusal, tookMs };
  }
}

function threadMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(since);
  return (user + system) / 1000;
}

/** What a schema did not like is in the cause. */
function causeOf({ cause }: Error): string {
  return cause instanceof Error ? cause.message : '';
}

const MASKED_CHARACTERS = 160;
/** Enough for the masked wording to have its length. */
const LOOKED_AT_CHARACTERS = 400;

/**
 * The wording without what differs from input to input: quotations, numbers, and words that stand in the input. What the
 * parser of JSON says is about nothing else.
 */
function masked(text: string, input: Buffer): string {
  return text
    .slice(0, LOOKED_AT_CHARACTERS)
    .replace(/((?:is not|in) JSON|^SyntaxError).*/s, '$1')
    .replaceAll(/"(?:[^"\\]|\\.)*(?:"|$)|'[^']*(?:'|$)/gs, '*')
    .replaceAll(/\S+/g, (word) => (isFromInput(word, input) ? '*' : word))
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\*(?: \*)+/g, '*')
    .slice(0, MASKED_CHARACTERS);
}

function isFromInput(word: string, input: Buffer): boolean {
  return /[^a-zA-Z.,:;()-]/.test(word) || (word.length > 3 && input.includes(word));
}
