/** The tables of docs/reliability.md that commands write: each between two comments that name it. */

import { readFile, writeFile } from 'node:fs/promises';

const PAGE = new URL('../../docs/reliability.md', import.meta.url);

export async function readSection(name: string): Promise<readonly string[]> {
  return (await partsOf(name)).section.trim().split('\n');
}

export async function writeSection(name: string, lines: readonly string[]): Promise<void> {
  const { before, after } = await partsOf(name);
  await writeFile(PAGE, `${before}\n${lines.join('\n')}\n\n${after}`);
}

async function partsOf(name: string): Promise<{ before: string; section: string; after: string }> {
  const page = await readFile(PAGE, 'utf8');
  const begin = `<!-- ${name}: begin -->\n`;
  const from = page.indexOf(begin) + begin.length;
  const to = page.indexOf(`<!-- ${name}: end -->`);
  if (!page.includes(begin) || to < from) throw new Error(`docs/reliability.md has no section ${name}`);
  return { before: page.slice(0, from), section: page.slice(from, to), after: page.slice(to) };
}
