/** The policies of a settings file, for commands that go by them without deploying anything. */

import { readFile } from 'node:fs/promises';
import * as z from 'zod/mini';
import { UsageError } from './vault-options.ts';

const settingsFile = z.object({ policies: z._default(z.array(z.looseObject({ name: z.string() })), []) });

export type WrittenPolicy = z.output<typeof settingsFile>['policies'][number];

/** As they are written. Throws UsageError for a file that cannot be read as settings. */
export async function readPolicies(file: string): Promise<readonly WrittenPolicy[]> {
  try {
    return settingsFile.parse(JSON.parse(await readFile(file, 'utf8'))).policies;
  } catch (cause) {
    throw new UsageError(`${file} cannot be read as settings; name another file with --settings`, { cause });
  }
}

/** Each policy as `form` has it. Throws UsageError that names the first one that has not that form. */
export async function policiesAs<Policy>(file: string, form: (written: WrittenPolicy) => Policy): Promise<Policy[]> {
  return (await readPolicies(file)).map((written) => {
    try {
      return form(written);
    } catch (cause) {
      throw new UsageError(`policy ${written.name} of ${file} cannot be used; blockferry deploy says what is wrong`, {
        cause,
      });
    }
  });
}
