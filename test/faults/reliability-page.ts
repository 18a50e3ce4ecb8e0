/** The tables of docs/reliability.md that commands write: each between two comments that name it. */

import { readFile, writeFile } from 'node:fs/promises';

const PAGE = new URL('../../docs/reliability.md', import.meta.url);

export async function writeSection(name: string, lines: readonly string[]): Promise<void> {
  const page = await readFile(PAGE, 'utf8');
  const [begin, end] = [`<!-- ${name}: begin -->\n`, `<!-- ${name}: end -->`];
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from === -1 || to < from) throw new Error(`docs/reliability.md has no section ${name}`);
  await writeFile(PAGE, `${page.slice(0, from + begin.length)}\n${lines.join('\n')}\n\n${page.slice(to)}`);
}
