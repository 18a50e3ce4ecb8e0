import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { drawBars } from '../../bench/measuring/bar-chart.ts';
import { allHold, type Outcome, verdictLine } from '../../bench/measuring/outcome.ts';
import { alternate, median, PAIRS, ratio, type Sample, speed } from '../../bench/measuring/pairs.ts';
import { peerBytes, scatteredGrains } from '../../bench/stage/changes.ts';
import { TARGETS } from '../../bench/targets.ts';

const root = join(import.meta.dirname, '..', '..');
const bench = (...names: string[]) =>
  promisify(execFile)(process.execPath, [join(root, 'bench', 'run.ts'), ...names], { cwd: root });

describe('npm run bench', () => {
  test('measures one target by name and prints its line: figure, peer, bound, ok or missed', async () => {
    const { stdout } = await bench('t13');
    const line = stdout.trim().split('\n').at(-1)?.split('\t');
    assert.equal(line?.[0], 'T13');
    assert.match(line?.[1] ?? '', /^\d+\.\d\d x$/);
    assert.equal(line?.[2], 'the S3 client alone');
    assert.equal(line?.[3], '<= 1.3 x');
    assert.match(line?.[4] ?? '', /^(ok|missed)$/);
  });

  test('names the targets there are when it is asked for another one', async () => {
    await assert.rejects(bench('T99'), (failure: Error & { code?: unknown; stderr?: unknown }) => {
      assert.equal(failure.code, 2);
      assert.match(String(failure.stderr), /T99 is no target; there are T1, T2/);
      return true;
    });
  });

  test('has all fifteen targets, each with the peers it needs in a list that setup installs', () => {
    for (let number = 1; number <= 15; number++) assert.ok(TARGETS.has(`T${number}`), `T${number}`);
    assert.ok(existsSync(join(root, 'bench', 'peers', 'package-lock.json')));
  });
});

describe('figures of pairs', () => {
  const sample = (seconds: number): Sample => ({ seconds, cpuSeconds: seconds, peakMib: 1 });

  test('the sides take turns, and the ratio is the median of the pairs, so that a slow spell hits both sides', async () => {
    const order: string[] = [];
    const factors = [1, 1, 10, 1, 1];
    const side = (name: string, seconds: number) => async () => {
      const pair = order.filter((one) => one === name).length;
      order.push(name);
      return sample(seconds * (factors[pair] ?? 1));
    };
    const pairs = await alternate({ ours: side('ours', 1), peer: side('peer', 2) });
    assert.deepEqual(order, Array.from({ length: PAIRS }, () => ['ours', 'peer']).flat());
    assert.equal(ratio(pairs, 'cpuSeconds'), 0.5);
    assert.equal(speed(pairs), 2);
  });

  test('the median of an even number of figures lies between the two in the middle', () => {
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.equal(median([3, 1, 2]), 2);
  });

  test('a target is met only when every bound holds, and never when nothing was measured', () => {
    const outcome = (figure: number): Outcome => ({
      peer: 'peer',
      claims: [
        { unit: 'x GiB/s', figure, bound: { atLeast: 1.3 } },
        { unit: 'x CPU', figure: 0.5, bound: { atMost: 0.65 } },
      ],
      details: [],
    });
    assert.equal(
      verdictLine('T3', outcome(1.3)),
      'T3\t1.30 x GiB/s, 0.50 x CPU\tpeer\t>= 1.3 x GiB/s, <= 0.65 x CPU\tok',
    );
    assert.equal(allHold(outcome(1.29)), false);
    assert.equal(allHold({ peer: 'not measured', claims: [], details: [] }), false);
  });
});

test('the peer reads the aligned 2 MiB around each changed grain, also when all of them changed', () => {
  const changed = scatteredGrains(64 * 65_536, 1);
  assert.equal(changed.count(), 1);
  assert.equal(peerBytes(changed), 2 * 1024 * 1024);
  for (let grain = 0; grain < 64; grain++) changed.add(grain);
  assert.equal(peerBytes(changed), 64 * 65_536);
});

test('bars begin at zero and the largest fills its panel', () => {
  const panel = {
    title: 'bytes',
    bars: [
      { name: 'a', value: 50 },
      { name: 'b', value: 100 },
    ],
  };
  const svg = drawBars('title', [panel]);
  assert.match(svg, /height="60\.0" fill/);
  assert.match(svg, /height="120\.0" fill/);
});
