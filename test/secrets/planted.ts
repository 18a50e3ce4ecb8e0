/** Secrets that can be recognised in whatever form they come out, and the search for them. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Shorter pieces of base64 would be found by chance. */
const LEAST_CHARACTERS = 12;
/** What a secret begins with decides how base64 cuts it: one form for each of the three ways. */
const BASE64_SHIFTS = [0, 1, 2] as const;

/** Every form in which the text could stand in a file: plain, escaped for JSON, XML and URLs, hexadecimal, base64. */
export function formsOf(secret: string): ReadonlyMap<string, string> {
  const bytes = Buffer.from(secret);
  const forms = new Map([
    ['plain', secret],
    ['JSON', JSON.stringify(secret).slice(1, -1)],
    ['JSON in JSON', JSON.stringify(JSON.stringify(secret).slice(1, -1)).slice(1, -1)],
    ['XML', secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')],
    ['URL', encodeURIComponent(secret)],
    ['form', new URLSearchParams({ s: secret }).toString().slice(2)],
    ['hex', bytes.toString('hex')],
    ['HEX', bytes.toString('hex').toUpperCase()],
  ]);
  for (const shift of BASE64_SHIFTS) {
    // Only what no neighbour has a share in: behind the first whole group of four, and without the last one.
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
    const core = encoded.slice(shift === 0 ? 0 : 4, -4);
    if (core.length < LEAST_CHARACTERS) throw new Error(`a secret of ${bytes.length} bytes is too short to be told`);
    forms.set(`base64 + ${shift}`, core);
    forms.set(`base64url + ${shift}`, core.replaceAll('+', '-').replaceAll('/', '_'));
  }
  return forms;
}

/** A place that was searched, and its text byte by byte as latin1. */
export interface Place {
  readonly name: string;
  readonly text: string;
}

export const placeOf = (name: string, text: string): Place => ({ name, text: Buffer.from(text).toString('latin1') });

/** `<secret> as <form> in <place>`, for each that is found. */
export function found(secrets: ReadonlyMap<string, string>, places: readonly Place[]): string[] {
  const needles = [...secrets].flatMap(([name, secret]) =>
    [...formsOf(secret)].map(([form, text]) => ({
      what: `${name} as ${form}`,
      text: Buffer.from(text).toString('latin1'),
    })),
  );
  return places.flatMap((place) =>
    needles.filter(({ text }) => place.text.includes(text)).map(({ what }) => `${what} in ${place.name}`),
  );
}

/** Every file below the folder, its own name included. */
export async function filesBelow(folder: string, skip: RegExp): Promise<Place[]> {
  const places: Place[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || skip.test(path)) continue;
    places.push({ name: path, text: `${path}\n${await readFile(path, 'latin1')}` });
  }
  return places;
}
