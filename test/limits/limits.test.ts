import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ENDLESS_LOOPS, UNAWAITED, WAITS } from './bounds.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SOURCES = '{lib,functions,cli,local,cdk}/**/*.ts';
/** `for (;;)`, `for (let i = 0; ; i++)`, `while (true)`, `do ... while (true)`. */
const ENDLESS_LOOP = /\bfor \([^;()]*;\s*;|\bwhile \((?:true|1)\)/;
/** A promise that something outside has to keep, and clients whose requests are such promises. */
const WAIT =
  /(?<![#.\w])once\(|\.once\('|withResolvers\b|new Promise\b|(?<![#.\w])fetch\(|(?<![#.\w])finished\(|(?<![#.\w])pipeline\(|\bnew \w+Client\(|\bpromisify\(|(?<![.\w])(?:spawn|spawnSync|execFileSync)\(/;
/** Work that nobody waits for, and of which the lint is told to say nothing. */
const UNAWAITED_WORK = /(?<![.\w])void (?!0)[\w#(]/;
/** A loop that tries again. Its head has a bound, or it is one of those above. */
const RETRY_HEAD = /\b(?:for|while) \([^{]*\b(?:attempt|retry|round|tries)\w*\b[^{]*\{/gi;

/** Code without comments, by path. A comment that names a loop is no loop. */
async function sources(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const path of glob(SOURCES, { cwd: ROOT })) {
    if (path.endsWith('.d.ts')) continue;
    const text = await readFile(`${ROOT}${path}`, 'utf8');
    found.set(path, stripTypeScriptTypes(text).replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, ''));
  }
  assert.ok(found.size > 200, `${found.size} sources`);
  return found;
}

const files = await sources();

async function assertTable(pattern: RegExp, table: Readonly<Record<string, readonly string[]>>): Promise<void> {
  const there = [...files].filter(([, code]) => pattern.test(code)).map(([path]) => path);
  assert.deepEqual(
    there.filter((path) => table[path] === undefined),
    [],
    'places without a bound: give each one, and a line in bounds.ts',
  );
  assert.deepEqual(
    Object.keys(table).filter((path) => !there.includes(path)),
    [],
    'lines of bounds.ts without a place',
  );
  for (const [path, bounds] of Object.entries(table)) {
    for (const bound of bounds) {
      const [, file = path, text = bound] = /^(\S+\.ts): (.*)$/.exec(bound) ?? [];
      assert.ok((await readFile(`${ROOT}${file}`, 'utf8')).includes(text), `${file} has no ${text}`);
    }
  }
}

test('every loop without a condition has a bound that stands in its file', () =>
  assertTable(ENDLESS_LOOP, ENDLESS_LOOPS));

test('every file that waits for something outside has a deadline or a signal for it', () => assertTable(WAIT, WAITS));

test('every loop that tries again compares with a limit', () => {
  for (const [path, code] of files) {
    for (const [head] of code.matchAll(RETRY_HEAD)) {
      const hasLimit = /[<>]|\bof\b/.test(head) || ENDLESS_LOOPS[path] !== undefined;
      assert.ok(hasLimit, `${path}: ${head}`);
    }
  }
});

test('a promise that nobody waits for is a lint error everywhere, so that no rejection goes unhandled', async () => {
  const rules: unknown[] = [];
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [name, inner] of Object.entries(value)) {
      if (name === 'noFloatingPromises') rules.push(inner);
      collect(inner);
    }
  };
  collect(JSON.parse(await readFile(`${ROOT}biome.json`, 'utf8')));
  assert.deepEqual(rules, ['error'], 'on for all, and off nowhere');
});

test('work that is begun without waiting for it cannot reject', () => assertTable(UNAWAITED_WORK, UNAWAITED));

/** Reports a rejection that nobody handled and ends the process, as the runtime of Lambda does that it stands in for. */
const REPORTS_AND_ENDS = 'local/lambda/sandbox-main.ts';

test('no code swallows rejections for the whole process', () => {
  for (const [path, code] of files) {
    if (path === REPORTS_AND_ENDS) continue;
    assert.doesNotMatch(code, /process\.(?:on|once)\(\s*'(?:unhandledRejection|uncaughtException)/, path);
  }
});

test('a loop without a condition and a retry without a limit are found', () => {
  for (const code of ['for (;;) {', 'for (let attempt = 1; ; attempt++) {', 'while (true) {'])
    assert.match(code, ENDLESS_LOOP);
  for (const code of ['for (let i = 0; i < n; i++) {', 'while (left > 0) {']) assert.doesNotMatch(code, ENDLESS_LOOP);
  for (const code of ["await once(socket, 'x')", "socket.once('connect', f)", 'new S3Client({', 'await fetch(url)'])
    assert.match(code, WAIT);
  for (const code of ['void this.#load(run);', 'void answer().then(write)', 'void (a ? b() : c())'])
    assert.match(code, UNAWAITED_WORK);
  for (const code of ['() => void 0', 'avoid (it)']) assert.doesNotMatch(code, UNAWAITED_WORK);
});
