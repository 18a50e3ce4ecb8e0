/** Takes secrets out of texts that leave the function: log lines and the errors that Step Functions keeps for 90 days. */

import type { Secret } from '#lib/secret.ts';

/** Longest text that leaves: enough for what, on which object, what came back and what to do. */
const SHOWN_CHARACTERS = 1_000;

const SESSION_PARAMETER = /session_id(?:=|%3D)[^\s&"'<]+/gi;
const REFERENCE = /OpaqueRef(?::|%3A)[\w-]+/gi;

/** Knows what every XenServer secret looks like, and the very secrets it was told of. */
export class Scrubber {
  readonly #secrets = new Set<string>();

  /** From now on the secret is recognised as it is, as part of a URL, of XML and of JSON. */
  remember(secret: Secret): void {
    const value = secret.reveal();
    if (value === '') return;
    const xml = value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
    const json = JSON.stringify(value).slice(1, -1);
    for (const form of [value, encodeURIComponent(value), xml, json]) this.#secrets.add(form);
  }

  scrub(text: string): string {
    let clean = text;
    for (const secret of this.#secrets) clean = clean.replaceAll(secret, '[secret]');
    clean = clean.replaceAll(SESSION_PARAMETER, 'session_id=[secret]').replaceAll(REFERENCE, 'OpaqueRef:[secret]');
    return clean.length > SHOWN_CHARACTERS ? `${clean.slice(0, SHOWN_CHARACTERS)}…` : clean;
  }
}
