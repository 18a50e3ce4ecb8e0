/** JSON files that appear whole or not at all. */

import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync } from 'node:fs';
import { open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

const SUFFIX = '.json';

export class RecordFiles {
  readonly folder: string;
  readonly #durable: boolean;

  constructor(folder: string, { durable }: { durable: boolean }) {
    this.folder = folder;
    this.#durable = durable;
    mkdirSync(folder, { recursive: true });
  }

  /**
   * Writes `record`. `name` runs in the same turn as the renaming that makes the record count: what it checks still
   * holds, and what it throws keeps the record from appearing. `apply` remembers the record, still in that turn.
   */
  async write(record: object, step: { name: () => string; apply: (name: string) => void }): Promise<void> {
    const temporary = join(this.folder, `.${randomBytes(12).toString('hex')}`);
    let name: string;
    try {
      const handle = await open(temporary, 'wx');
      try {
        await handle.writeFile(JSON.stringify(record));
        if (this.#durable) await handle.datasync();
      } finally {
        await handle.close();
      }
      name = step.name();
      renameSync(temporary, join(this.folder, name + SUFFIX));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    step.apply(name);
    if (this.#durable) await this.#syncFolder();
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.folder, name + SUFFIX), { force: true });
  }

  /** All records; leftovers of a crash in the middle of a write are removed. */
  async *readAll(): AsyncGenerator<{ name: string; record: unknown }> {
    for (const file of await readdir(this.folder)) {
      const path = join(this.folder, file);
      if (file.startsWith('.')) await rm(path, { force: true });
      else if (file.endsWith(SUFFIX)) {
        yield { name: file.slice(0, -SUFFIX.length), record: JSON.parse(await readFile(path, 'utf8')) };
      }
    }
  }

  /** The new name is on the disk only when its folder is. */
  async #syncFolder(): Promise<void> {
    const folder = await open(this.folder, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}
