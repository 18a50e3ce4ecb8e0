/** Which failures are findings of a verification, and which are reasons to stop it. */

import { DamagedObject, UnsupportedFormat } from '#lib/format/failures.ts';
import { ObjectNotFound, RangeNotSatisfiable, VaultCorruption } from '#lib/store/failures.ts';
import { MalformedId } from '#lib/units.ts';

const FINDINGS = [DamagedObject, UnsupportedFormat, ObjectNotFound, RangeNotSatisfiable, VaultCorruption, MalformedId];

/** What is wrong with the object that `look` looks at; undefined when nothing is. Other failures are thrown. */
export async function findingOf(look: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await look();
    return undefined;
  } catch (cause) {
    if (cause instanceof Error && FINDINGS.some((failure) => cause instanceof failure)) return cause.message;
    throw cause;
  }
}
