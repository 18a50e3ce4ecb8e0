/** Tells damage of the vault's objects, which concerns some grains, from everything that concerns the whole restore. */

import type { Failure } from '#lib/failure.ts';
import { DamagedObject } from '#lib/format/failures.ts';
import { ObjectNotFound, RangeNotSatisfiable, VaultCorruption } from '#lib/store/failures.ts';

export function isDamage(failure: unknown): failure is Failure {
  return (
    failure instanceof DamagedObject ||
    failure instanceof ObjectNotFound ||
    failure instanceof RangeNotSatisfiable ||
    failure instanceof VaultCorruption
  );
}
