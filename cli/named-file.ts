/** Writes the files that a command was told to write. */

import { writeFile } from 'node:fs/promises';
import { Failure } from '#lib/failure.ts';

/** The file that the command was to write cannot be written there. */
export class FileNotWritten extends Failure {
  static override readonly failureName = 'FileNotWritten';
}

/** Replaces a file of that name. Throws FileNotWritten. */
export async function writeNamedFile(path: string, content: string): Promise<void> {
  try {
    await writeFile(path, content);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FileNotWritten(
      `${path} cannot be written (${reason}); name a file in a folder that exists and that you may write to`,
      { cause },
    );
  }
}
