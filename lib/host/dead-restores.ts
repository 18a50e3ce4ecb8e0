/** What executions that died have restored in part: nobody will make it whole, and it takes up the pool's storage. */

import type { Remark } from '#lib/backup/run-record.ts';
import type { Executions } from '#lib/executions/executions.ts';
import { Failure } from '#lib/failure.ts';
import type { RestoreMark } from '#lib/restore/restore-marks.ts';
import { readRestored } from '#lib/restore/restored-objects.ts';
import type { XapiSession } from '#lib/xapi/session.ts';

export interface DeadRestore {
  readonly pool: string;
  readonly id: string;
  /** Its disks and its VM as a person finds them on the pool. */
  readonly objects: readonly string[];
}

export interface RestoresFound {
  readonly dead: readonly DeadRestore[];
  readonly spared: readonly Remark[];
  readonly unexamined: readonly Remark[];
}

interface RestoredObject {
  readonly kind: 'vm' | 'disk';
  readonly what: string;
  readonly mark: RestoreMark;
}

/** Restores of this pool that are not whole. Only one that an execution began and that it cannot go on with is dead. */
export async function findDeadRestores(
  { executions, signal }: { readonly executions: Executions; readonly signal: AbortSignal },
  session: XapiSession,
  pool: string,
): Promise<RestoresFound> {
  const dead: DeadRestore[] = [];
  const spared: Remark[] = [];
  const unexamined: Remark[] = [];
  for (const [id, objects] of await unfinishedRestores(session)) {
    const what = `restore ${id}`;
    try {
      const why = await whyKept(objects, pool, (execution) => executions.isRunning(execution, { signal }));
      if (why === undefined) dead.push({ pool, id, objects: objects.map((object) => object.what) });
      else spared.push({ what, why });
    } catch (failure) {
      // Doubt about one execution must not keep what others left where it is.
      if (!(failure instanceof Failure)) throw failure;
      unexamined.push({ what, why: failure.message });
    }
  }
  return { dead, spared, unexamined };
}

async function unfinishedRestores(session: XapiSession): Promise<Map<string, RestoredObject[]>> {
  const { disks, vms } = await readRestored(session);
  const restores = new Map<string, RestoredObject[]>();
  const all: RestoredObject[] = [
    ...vms.map(({ vm, mark }) => ({ kind: 'vm' as const, what: `VM ${vm.uuid}`, mark })),
    ...disks.map(({ record, mark }) => ({ kind: 'disk' as const, what: `disk ${record.uuid}`, mark })),
  ];
  for (const object of all) restores.set(object.mark.id, [...(restores.get(object.mark.id) ?? []), object]);
  for (const [id, objects] of restores) if (!objects.some(({ mark }) => mark.incomplete)) restores.delete(id);
  return restores;
}

async function whyKept(
  objects: readonly RestoredObject[],
  pool: string,
  isRunning: (execution: string) => Promise<boolean>,
): Promise<string | undefined> {
  const by = objects.find(({ mark }) => mark.by !== undefined)?.mark.by;
  if (by === undefined) return 'a command began it; the same command goes on with it, or remove it by hand';
  if (by.pool !== pool) return `it was begun for a pool named ${by.pool}, which is not this sweep's`;
  // A VM is completed after its disks. Somebody may have copied either meanwhile: the mark of a copy says nothing about
  // the whole original.
  const vms = objects.filter(({ kind }) => kind === 'vm');
  const deciding = vms.length > 0 ? vms : objects;
  if (!deciding.every(({ mark }) => mark.incomplete)) return 'part of it counts as whole; remove the rest by hand';
  return (await isRunning(by.execution)) ? 'its execution runs' : undefined;
}
