/** Kept inputs: one for each kind of outcome that a parser ever had, and each that once broke it. */

import { readFile, writeFile } from 'node:fs/promises';

const FOLDER = new URL('corpus/', import.meta.url);
/** A corpus is read by people too; what is larger is found again from the seeds. */
const MAX_KEPT_BYTES = 1_024;
const MAX_KEPT = 48;

/** By kind of outcome. */
export async function readCorpus(target: string): Promise<Map<string, Buffer>> {
  try {
    const kept: Record<string, string> = JSON.parse(await readFile(fileOf(target), 'utf8'));
    return new Map(Object.entries(kept).map(([kind, base64]) => [kind, Buffer.from(base64, 'base64')]));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Map();
    throw error;
  }
}

/** Adds kinds of outcome that were not known; those that are keep their input. */
export async function growCorpus(target: string, outcomes: ReadonlyMap<string, Buffer>): Promise<void> {
  const kept = await readCorpus(target);
  for (const [kind, input] of outcomes) {
    if (kept.size >= MAX_KEPT) break;
    if (!kept.has(kind) && input.length <= MAX_KEPT_BYTES) kept.set(kind, input);
  }
  const sorted = [...kept].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = Object.fromEntries(sorted.map(([kind, input]) => [kind, input.toString('base64')]));
  await writeFile(fileOf(target), `${JSON.stringify(lines, undefined, 2)}\n`);
}

const fileOf = (target: string) => new URL(`${target}.json`, FOLDER);
