import assert from 'node:assert/strict';
import { glob, readdir, readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { outcomeOf, playCampaign } from './campaign.ts';
import { readCorpus } from './corpus.ts';
import { PARSERS, PARSES } from './parsers.ts';
import { TARGETS } from './targets/all.ts';

/** `npm run fuzz -- --inputs 1000000` is the same for longer. */
const INPUTS = 1_000;
const seed = Date.now() % 1_000_000;

describe(`${INPUTS} mutated inputs of each parser, seed ${seed}`, () => {
  for (const target of TARGETS) {
    test(`${target.name} answers or refuses by a named failure, each time in time`, async () => {
      await playCampaign(target, { inputs: INPUTS, seed });
    });

    test(`${target.name} meets every input of the corpus with the same kind of outcome as ever`, async () => {
      for (const [kind, input] of await readCorpus(target.name)) {
        const { kind: now } = await outcomeOf(target, input);
        assert.equal(now.split(':')[0], kind.split(':')[0], input.toString('base64'));
      }
    });
  }
});

test('every file of lib/ that takes foreign bytes apart is fuzzed, or says why not', async () => {
  const root = new URL('../../', import.meta.url);
  const missing: string[] = [];
  for await (const path of glob('lib/**/*.ts', { cwd: root })) {
    const code = await readFile(new URL(path, root), 'utf8');
    if (!path.endsWith('.d.ts') && PARSES.test(code) && PARSERS[path] === undefined) missing.push(path);
  }
  assert.deepEqual(missing.toSorted(), [], 'give each a target, and a line in parsers.ts');
  const names = new Set(TARGETS.map(({ name }) => name));
  for (const [path, targets] of Object.entries(PARSERS)) {
    await readFile(new URL(path, root));
    if (typeof targets === 'string') continue;
    for (const name of targets) assert.ok(names.has(name), `${path}: there is no target ${name}`);
  }
});

test('every file of the corpus belongs to a parser that is fuzzed', async () => {
  const files = await readdir(new URL('corpus/', import.meta.url));
  const names = new Set(TARGETS.map(({ name }) => `${name}.json`));
  assert.deepEqual(
    files.filter((file) => !names.has(file)),
    [],
  );
});

test('a parser that throws anything but a named failure is found', async () => {
  const parse = (input: Buffer) => input.readUInt32BE(0);
  const broken = { name: 'broken', from: 'host', seeds: () => [Buffer.alloc(8)], parse } as const;
  await assert.rejects(playCampaign(broken, { inputs: 2_000, seed: 1 }), /broken: it threw RangeError/);
});

test('a parser that takes too long is found', async () => {
  const parse = (input: Buffer) => {
    // About half a second of processor time, which a busy machine does not shorten as it does a wait by the clock.
    for (let turn = 0; input.length > 100_000 && turn < 1.2e9; turn++);
  };
  const slow = { name: 'slow', from: 'host', seeds: () => [Buffer.alloc(8)], parse } as const;
  await assert.rejects(playCampaign(slow, { inputs: 20_000, seed: 1 }), /slow: it took \d{3,} ms of the processor/);
});
