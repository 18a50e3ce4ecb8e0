/** What `blockferry files` wants of a file system, and how the tools that know one are run. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Failure } from '#lib/failure.ts';
import type { Bytes } from '#lib/units.ts';

const run = promisify(execFile);

/** A large file over a slow link; a tool that hangs is ended then. */
export const TOOL_DEADLINE_MS = 3_600_000;
/** A directory of 100,000 files lists in about 10 MiB. */
const MAX_OUTPUT_BYTES = 67_108_864;

/** The tool that knows the file system did not do what was asked. */
export class FilesUnavailable extends Failure {
  static override readonly failureName = 'FilesUnavailable';
}

/** One file system in a file, read-only. */
export interface FileReader {
  /** The directory as the tool prints it. */
  listing(path: string): Promise<string>;
  /** The same for programs. */
  entries(path: string): Promise<readonly object[]>;
  /** Writes the file to `to`, which is not there yet. What is there after a failure is worth nothing. */
  extract(path: string, to: string): Promise<void>;
  /** The file's size by the directory or inode, against which an extracted file is held. */
  fileBytes(path: string): Promise<Bytes>;
}

export interface Tool {
  readonly command: string;
  readonly debianPackage: string;
}

/** Sentences in English, names in UTF-8. */
export const toolEnvironment = (): NodeJS.ProcessEnv => ({ ...process.env, LC_ALL: 'C.UTF-8' });

/** The tool's output and complaints, however it ended. */
export async function outputOf({ command, debianPackage }: Tool, words: readonly string[]) {
  const limits = { maxBuffer: MAX_OUTPUT_BYTES, timeout: TOOL_DEADLINE_MS };
  try {
    return await run(command, words, { env: toolEnvironment(), ...limits });
  } catch (cause) {
    const ended = toolEnd(cause);
    if (ended !== undefined) return ended;
    throw new FilesUnavailable(`${command} could not be run; install ${debianPackage}`, { cause });
  }
}

/** Undefined when the tool did not end by itself. */
function toolEnd(cause: unknown): { readonly stdout: string; readonly stderr: string } | undefined {
  if (!(cause instanceof Error && 'code' in cause && 'stdout' in cause && 'stderr' in cause)) return undefined;
  if (typeof cause.code !== 'number') return undefined;
  const stderr = String(cause.stderr);
  return { stdout: String(cause.stdout), stderr: stderr === '' ? `it ended with ${cause.code}` : stderr };
}

export function oneLine(complaint: string): string {
  return complaint.trim().replaceAll('\n', '; ');
}
