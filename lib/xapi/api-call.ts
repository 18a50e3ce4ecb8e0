/** One call of the API up to its value: the envelope is opened, errors become failures, the value is parsed. */

import * as z from 'zod/mini';
import type { Secret } from '#lib/secret.ts';
import { refusalFrom } from './api-error.ts';
import { UnexpectedReply } from './failures.ts';
import type { XapiTransport } from './transport.ts';
import type { Reply } from './wire-types.ts';
import type { XmlValue } from './xmlrpc-codec.ts';

export interface ApiCall<T> {
  readonly method: string;
  /** Without the session. */
  readonly params: readonly XmlValue[];
  readonly reply: Reply<T>;
}

export interface CallContext {
  readonly transport: XapiTransport;
  /** Goes before the parameters; login is the one call without it. */
  readonly session: Secret | null;
  readonly secrets: readonly Secret[];
  readonly signal: AbortSignal | undefined;
  /** Instead of the transport's own. */
  readonly answerDeadlineMs?: number;
}

const envelope = z.discriminatedUnion('Status', [
  z.object({ Status: z.literal('Success'), Value: z.unknown() }),
  z.object({ Status: z.literal('Failure'), ErrorDescription: z.array(z.string()) }),
]);

/** Sends the call and parses its value. Throws the failure that the error table names for an error of the host. */
export async function callApi<T>(call: ApiCall<T>, context: CallContext): Promise<T> {
  const params = context.session === null ? call.params : [context.session, ...call.params];
  const { transport, secrets, answerDeadlineMs } = context;
  const answer = await transport.call({ method: call.method, params, secrets, answerDeadlineMs }, context.signal);
  const reply = parseReply(envelope, answer, `The envelope of ${call.method} from ${transport.hostName}`);
  if (reply.Status === 'Failure') {
    throw refusalFrom(reply.ErrorDescription, { call: described(call), host: transport.hostName, secrets });
  }
  return parseReply(call.reply, reply.Value, `The value of ${described(call)} from ${transport.hostName}`);
}

/** Parses what a host sent. The failure names the places that differ and none of the values. */
export function parseReply<T>(schema: Reply<T>, value: unknown, what: string): T {
  const parsed = z.safeParse(schema, value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.slice(0, 3).map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new UnexpectedReply(`${what} has another shape than expected (${issues.join('; ')}).`, { cause: parsed.error });
}

const OBJECT = /^(OpaqueRef:[\w-]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

function described(call: { method: string; params: readonly XmlValue[] }): string {
  const [object] = call.params;
  return typeof object === 'string' && OBJECT.test(object) ? `${call.method} of ${object}` : call.method;
}
