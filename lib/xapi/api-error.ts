/** Turns the `ErrorDescription` of a reply into the failure that the error table names for it. */

import type { FailureDetails } from '#lib/failure.ts';
import type { Secret } from '#lib/secret.ts';
import { ERROR_TABLE, type ErrorRow, UNKNOWN_ERROR } from './error-table.ts';
import type { HostRefusal } from './failures.ts';
import { redact } from './redaction.ts';

export interface RefusedCall {
  /** The method and, where known, the object: `VDI.destroy of OpaqueRef:…`. */
  readonly call: string;
  /** Name or address of the host. */
  readonly host: string;
  /** What must not appear in the failure, whatever the host writes. */
  readonly secrets: readonly Secret[];
}

/** The failure for `[code, ...params]`. Missing and superfluous parameters are no problem: versions differ in them. */
export function refusalFrom(description: readonly string[], refused: RefusedCall): HostRefusal {
  const [code = 'an empty error', ...params] = description;
  const row = rowOf(code, params);
  const facts = namedParams(row, params, refused.secrets);
  const said = Object.entries(facts)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
  const shownCode = redact(code, refused.secrets);
  const message = `${refused.call} on ${refused.host} was refused: ${shownCode}${said === '' ? '' : ` (${said})`}. ${row.cure}`;
  const details = { ...facts, call: refused.call, host: refused.host, cure: row.cure };
  return new row.failure(message, { code: shownCode, reaction: row.reaction, details });
}

function rowOf(code: string, params: readonly string[]): ErrorRow {
  // A handle of class session that is invalid is a lost session, and its second parameter is the session reference.
  const meant = code === 'HANDLE_INVALID' && params[0] === 'session' ? 'SESSION_INVALID' : code;
  return ERROR_TABLE.get(meant) ?? UNKNOWN_ERROR;
}

function namedParams(row: ErrorRow, params: readonly string[], secrets: readonly Secret[]): FailureDetails {
  const facts: Record<string, string> = {};
  for (const [index, name] of row.params.entries()) {
    const value = params[index];
    if (name !== '' && value !== undefined && value !== '') facts[name] = redact(value, secrets);
  }
  return facts;
}
