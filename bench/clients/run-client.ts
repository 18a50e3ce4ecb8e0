/** Starts client processes, each bundled as functions are deployed, and reads what they report. */

import { join } from 'node:path';
import { build } from 'esbuild';
import { BUNDLE_OPTIONS } from '#cdk/function-bundles.ts';
import { runMeasured } from '../measuring/command.ts';
import type { Stage } from '../stage/stage.ts';
import type { Spent } from './spent.ts';

export interface ClientReport extends Spent {
  /** What the client read or wrote. */
  readonly bytes: number;
}

/** The reader's own, of cdk/backup-functions.ts: the young generation is what bursts of chunks make grow. */
const NODE_OPTIONS = ['--max-semi-space-size=1'];

/** Runs `script` (relative to bench/) with `input` as its argument. */
export async function runClient(
  stage: Stage,
  script: string,
  { input, env = {} }: { readonly input: object; readonly env?: Record<string, string> },
): Promise<ClientReport> {
  const bundle = await stage.made(`${script.replaceAll(/\W/g, '-')}.cjs`, (path) => bundleClient(script, path));
  const { stdout } = await runMeasured([process.execPath, ...NODE_OPTIONS, bundle, JSON.stringify(input)], env);
  return JSON.parse(stdout);
}

/** Runs `script` from its source, as the command line does: its threads are files of their own. */
export async function runSource(
  script: string,
  { input, env = {} }: { readonly input: object; readonly env?: Record<string, string> },
): Promise<ClientReport> {
  const { stdout } = await runMeasured([process.execPath, sourceOf(script), JSON.stringify(input)], env);
  return JSON.parse(stdout);
}

function sourceOf(script: string): string {
  return join(import.meta.dirname, '..', script);
}

/** As functions are bundled. */
export async function bundleClient(script: string, outfile: string): Promise<void> {
  await build({ ...BUNDLE_OPTIONS, entryPoints: [sourceOf(script)], outfile });
}
