/** Reads and writes JSON-RPC 1.0 and 2.0 as the host's /jsonrpc endpoint does. */

import * as z from 'zod/mini';
import type { ApiError } from '#sim/api/api-error.ts';
import { compactDate, Float, isSet, TypedInt, type Value } from './values.ts';
import type { MethodCall } from './xml-rpc-reader.ts';

export interface JsonCall extends MethodCall {
  readonly version: '1.0' | '2.0';
  readonly id: string | number;
}

const jsonCall = z.object({
  jsonrpc: z.optional(z.literal('2.0')),
  method: z.string(),
  params: z._default(z.array(z.json()), []),
  // There are no notifications: a call without an id is malformed.
  id: z.union([z.string(), z.int()]),
});

export function readJsonCall(text: string): JsonCall {
  const { jsonrpc, method, params, id } = jsonCall.parse(JSON.parse(text));
  return { version: jsonrpc ?? '1.0', method, params: params.map(fromJson), id };
}

export function jsonSuccess(call: JsonCall, value: Value): string {
  const result = toJson(value);
  if (call.version === '2.0') return JSON.stringify({ jsonrpc: '2.0', id: call.id, result });
  return JSON.stringify({ result, error: null, id: call.id });
}

export function jsonFailure(call: JsonCall, error: ApiError): string {
  if (call.version === '1.0') {
    return JSON.stringify({ result: null, error: [error.code, ...error.params], id: call.id });
  }
  const body = { code: 1, message: error.code, data: error.params };
  return JSON.stringify({ jsonrpc: '2.0', id: call.id, error: body });
}

type Json = z.infer<ReturnType<typeof z.json>>;

function fromJson(json: Json): Value {
  if (typeof json === 'number') return Number.isInteger(json) ? json : new Float(json);
  if (Array.isArray(json)) return json.map(fromJson);
  if (typeof json !== 'object' || json === null) return json;
  return Object.fromEntries(Object.entries(json).map(([name, member]) => [name, fromJson(member)]));
}

function toJson(value: Value): Json {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Date) return compactDate(value);
  if (value instanceof Float || value instanceof TypedInt) return value.number;
  if (isSet(value)) return value.map(toJson);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, toJson(member)]));
}
