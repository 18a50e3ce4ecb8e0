/** Evaluates what stands between `{%` and `%}` with the reference engine of JSONata. */

import jsonata from 'jsonata';
import { MAX_EXPRESSION_DEPTH, MAX_EXPRESSION_MS } from './limits.ts';
import { QUERY_EVALUATION_ERROR, StateFailed } from './state-failed.ts';

/** What an expression sees: `$states`, the variables in scope, and the added functions, without their `$`. */
export type Bindings = Readonly<Record<string, unknown>>;

/** A part of a definition and where it stands, for error texts: `Arguments.Payload`. */
interface Place {
  readonly template: unknown;
  readonly field: string;
}

const compiled = new Map<string, jsonata.Expression>();
/** Definitions hold a few hundred expressions; a process that runs more definitions than this compiles again. */
const MAX_COMPILED = 2_000;

/** The JSONata source, or undefined when the text is a literal. The delimiters must touch both ends of the string. */
function expressionSource(text: string): string | undefined {
  return text.startsWith('{%') && text.endsWith('%}') && text.length >= 4 ? text.slice(2, -2).trim() : undefined;
}

function compile(source: string): jsonata.Expression {
  const known = compiled.get(source);
  if (known !== undefined) return known;
  if (compiled.size >= MAX_COMPILED) compiled.clear();
  const expression = jsonata(source, { timeout: MAX_EXPRESSION_MS, stack: MAX_EXPRESSION_DEPTH });
  compiled.set(source, expression);
  return expression;
}

/** The engine throws plain objects as well as errors. */
function messageOf(thrown: unknown): string {
  if (typeof thrown === 'object' && thrown !== null && 'message' in thrown) return String(thrown.message);
  return String(thrown);
}

/** A copy without the engine's own marks on arrays; a function cannot be part of a state. */
function asPlainJson(value: unknown): unknown {
  const text = JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'function') throw new TypeError('the expression answers a function');
    return part;
  });
  return text === undefined ? undefined : JSON.parse(text);
}

async function evaluateSource(source: string, field: string, bindings: Bindings): Promise<unknown> {
  let value: unknown;
  try {
    value = asPlainJson(await compile(source).evaluate(undefined, { ...bindings }));
  } catch (cause) {
    if (cause instanceof StateFailed) throw cause;
    throw new StateFailed(
      { error: QUERY_EVALUATION_ERROR, explanation: `${field}: the expression ${source} failed: ${messageOf(cause)}` },
      {
        cause,
      },
    );
  }
  if (value === undefined) {
    throw new StateFailed({
      error: QUERY_EVALUATION_ERROR,
      explanation: `${field}: the expression ${source} answers nothing (undefined)`,
    });
  }
  return value;
}

/** The template with every expression in it replaced by its value. Throws States.QueryEvaluationError. */
export async function evaluateTemplate(place: Place, bindings: Bindings): Promise<unknown> {
  const { template, field } = place;
  if (typeof template === 'string') {
    const source = expressionSource(template);
    return source === undefined ? template : evaluateSource(source, field, bindings);
  }
  if (Array.isArray(template)) {
    const items: unknown[] = [];
    for (const [index, item] of template.entries()) {
      items.push(await evaluateTemplate({ template: item, field: `${field}[${index}]` }, bindings));
    }
    return items;
  }
  if (typeof template === 'object' && template !== null) {
    const entries: [string, unknown][] = [];
    for (const [key, part] of Object.entries(template)) {
      entries.push([key, await evaluateTemplate({ template: part, field: `${field}.${key}` }, bindings)]);
    }
    return Object.fromEntries(entries);
  }
  return template;
}
