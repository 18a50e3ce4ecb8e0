/** Runs the CDK app as a deployment would, with settings for this machine, and reads what it made. */

import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Failure } from '#lib/failure.ts';
import { type CloudAssembly, readCloudAssembly } from './assembly/cloud-assembly.ts';

/** The stacks could not be synthesized; the message holds what the CDK app printed. */
export class SynthesisFailed extends Failure {
  static override readonly failureName = 'SynthesisFailed';
}

const projectRoot = join(import.meta.dirname, '..');
/** Two dozen bundles take a minute on a laptop; ten minutes, also on a busy machine, mean that it hangs. */
const SYNTHESIS_LIMIT_MS = 600_000;
/** Enough for what a failing CDK app prints. */
const SYNTHESIS_OUTPUT_BYTES = 4_194_304;

/** `settings` is the content of a blockferry.json; files are made in `folder`, which is the caller's to remove. */
export async function synthesize(folder: string, settings: object, region: string): Promise<CloudAssembly> {
  const settingsFile = join(folder, 'blockferry.json');
  const directory = join(folder, 'cdk.out');
  await writeFile(settingsFile, JSON.stringify(settings));
  try {
    await promisify(execFile)(process.execPath, [join(projectRoot, 'cdk', 'app.ts')], {
      cwd: projectRoot,
      env: { ...process.env, CDK_OUTDIR: directory, BLOCKFERRY_SETTINGS: settingsFile },
      timeout: SYNTHESIS_LIMIT_MS,
      maxBuffer: SYNTHESIS_OUTPUT_BYTES,
    });
  } catch (cause) {
    const printed = cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : String(cause);
    throw new SynthesisFailed(`node cdk/app.ts failed:\n${printed}`, { cause });
  }
  return readCloudAssembly({ directory, environment: { region } });
}
