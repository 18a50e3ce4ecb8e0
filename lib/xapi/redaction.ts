/** Takes secrets out of texts that come from a host, before they become part of a message. */

import type { Secret } from '#lib/secret.ts';

/** Longest text of a host that is shown: backend errors can carry a whole Python traceback. */
const SHOWN_CHARACTERS = 300;

const WHOLE_REFERENCE = /^OpaqueRef:[\w-]+$/;
const ANY_REFERENCE = /OpaqueRef(?::|%3A)[\w-]+/gi;
const SESSION_PARAMETER = /session_id(?:=|%3D)[^\s&"']+/gi;

/**
 * `text` without the given secrets. A text that is exactly one reference names an object and stays; references inside a
 * longer text go, since export names and internal errors carry session references of any session there.
 */
export function redact(text: string, secrets: readonly Secret[]): string {
  let clean = text;
  for (const secret of secrets) {
    if (secret.reveal() !== '') clean = clean.replaceAll(secret.reveal(), '[secret]');
  }
  if (WHOLE_REFERENCE.test(clean)) return clean;
  clean = clean.replaceAll(SESSION_PARAMETER, 'session_id=[secret]').replaceAll(ANY_REFERENCE, 'OpaqueRef:[hidden]');
  return clean.length > SHOWN_CHARACTERS ? `${clean.slice(0, SHOWN_CHARACTERS)}…` : clean;
}
