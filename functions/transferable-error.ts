/** What of an error may leave the function: fields for the log, and the error that Step Functions gets to see. */

import { Failure } from '#lib/failure.ts';
import type { Scrubber } from './scrubber.ts';

/** Causes shown in a log line; longer chains do not occur, and a cycle must end. */
const MAX_CAUSES = 5;

/** Name, reason, causes and details, scrubbed. Stacks stay behind: they begin with messages as they were. */
export function errorFields(error: unknown, scrubber: Scrubber): Readonly<Record<string, unknown>> {
  const causes: string[] = [];
  let cause = causeOf(error);
  while (cause !== undefined && causes.length < MAX_CAUSES) {
    causes.push(scrubber.scrub(`${nameOf(cause)}: ${messageOf(cause)}`));
    cause = causeOf(cause);
  }
  const details = error instanceof Failure ? Object.entries(error.details) : [];
  return {
    failure: nameOf(error),
    // The logger keeps `message` for the event's name.
    reason: scrubber.scrub(messageOf(error)),
    causes,
    details: Object.fromEntries(details.map(([key, fact]) => [key, scrubbedFact(fact, scrubber)])),
  };
}

/** The Lambda runtime reports name, message and stack, and Step Functions keeps all three for 90 days. */
export function transferable(error: unknown, scrubber: Scrubber): Error {
  const transferred = new Error(scrubber.scrub(messageOf(error)));
  transferred.name = nameOf(error);
  transferred.stack = `${transferred.name}: ${transferred.message}`;
  return transferred;
}

function scrubbedFact(fact: string | number | boolean, scrubber: Scrubber): string | number | boolean {
  return typeof fact === 'string' ? scrubber.scrub(fact) : fact;
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'UnknownError';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
