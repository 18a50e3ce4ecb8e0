/**
 * npm run test:mutation: proves that the model can fail. Each mutation takes one rule out of a copy of the sources; the
 * model has to notice. The project itself is never changed.
 */

import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

interface Mutation {
  readonly name: string;
  readonly edits: readonly Edit[];
}

const MUTATIONS: readonly Mutation[] = [
  {
    name: 'without the coverage check',
    edits: [{ file: 'lib/backup/commit-point.ts', from: 'checkCoverage(disk, planned, receipts);', to: '' }],
  },
  {
    name: 'without the conditional put',
    edits: [
      {
        file: 'lib/vault/ledger.ts',
        from: "if ((await store.putIfAbsent(key, encodeDocument(entry), sealed)) === 'created') return 'committed';",
        to: "await store.put(key, encodeDocument(entry), sealed); if (entry.seq > 0) return 'committed';",
      },
    ],
  },
  {
    name: 'without the head rule',
    edits: [
      { file: 'lib/vault/expiries.ts', from: "if (seq === entries.length) return 'is-newest';", to: '' },
      { file: 'lib/vault/expiries.ts', from: ' && seq < entries.length', to: '' },
      { file: 'lib/retention/policy.ts', from: "keep(ordered.at(-1), 'newest point');", to: '' },
      { file: 'lib/retention/policy.ts', from: 'policy.keepLast)', to: '0)' },
      { file: 'lib/retention/prune.ts', from: '?.entries.length === seq', to: '?.entries.length === seq + 1e9' },
      { file: 'lib/retention/prune.ts', from: 'point.entry.seq !== entries.length && ', to: '' },
    ],
  },
  {
    name: 'without the grace',
    edits: [{ file: 'lib/collect/collectible.ts', from: '> RUN_LIMIT_MS + GRACE_MS', to: '>= 0' }],
  },
  {
    name: 'with a grace shorter than the longest run',
    edits: [{ file: 'lib/collect/collectible.ts', from: '> RUN_LIMIT_MS + GRACE_MS', to: '> GRACE_MS / 7' }],
  },
  {
    name: 'without the limit of a run',
    edits: [{ file: 'lib/backup/commit-point.ts', from: '> RUN_LIMIT_MS', to: '> Number.MAX_VALUE' }],
  },
  {
    name: 'with receipts that a second attempt overwrites',
    edits: [
      {
        file: 'lib/backup/read-shard.ts',
        from: "if ((await ports.store.putIfAbsent(key, encoded)) === 'created') return copied.end;",
        to: 'await ports.store.put(key, encoded); if (part >= 0) return copied.end;',
      },
    ],
  },
  {
    name: 'with packs that were to be written anew kept in the map',
    edits: [{ file: 'lib/backup/base-content.ts', from: 'if (!this.#rewrite.has(entry.pack)) ', to: '' }],
  },
];

/** Parts of the project that the model runs on. */
const COPIED = ['lib', 'test/model', 'test/fakes', 'package.json'];
const TIMEOUT_MS = 600_000;
const SEEDS = process.argv[2] ?? '12';
const STEPS = process.argv[3] ?? '400';

async function survives(mutation: Mutation | undefined): Promise<{ survived: boolean; said: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'mutation-'));
  try {
    for (const part of COPIED) await cp(resolve(part), join(folder, part), { recursive: true });
    await symlink(resolve('node_modules'), join(folder, 'node_modules'));
    for (const edit of mutation?.edits ?? []) await applyEdit(folder, edit);
    return await runModel(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A mutation whose text is not there any more would prove nothing. */
async function applyEdit(folder: string, { file, from, to }: Edit): Promise<void> {
  const path = join(folder, file);
  const source = await readFile(path, 'utf8');
  if (source.split(from).length !== 2) throw new Error(`${file} has not exactly one ${JSON.stringify(from)}: adapt it`);
  await writeFile(path, source.replace(from, to));
}

function runModel(folder: string): Promise<{ survived: boolean; said: string }> {
  const args = ['test/model/run.ts', '--seeds', SEEDS, '--steps', STEPS, '--until-broken'];
  return new Promise((done) => {
    execFile(process.execPath, args, { cwd: folder, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      const said =
        stdout.split('\n').find((line) => line.startsWith('seed ')) ?? stderr.trim().split('\n').at(-1) ?? '';
      done({ survived: error === null, said });
    });
  });
}

const unchanged = await survives(undefined);
process.stdout.write(`as it is: ${unchanged.survived ? 'the model holds' : `THE MODEL FAILS: ${unchanged.said}`}\n`);
if (!unchanged.survived) process.exitCode = 1;
for (const mutation of MUTATIONS) {
  const { survived, said } = await survives(mutation);
  process.stdout.write(`${mutation.name}: ${survived ? 'NOT NOTICED' : `noticed (${said})`}\n`);
  if (survived) process.exitCode = 1;
}
