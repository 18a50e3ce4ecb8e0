import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonLog } from '#functions/log-line.ts';

test('an event is one line of JSON with the level and the time by which Lambda recognises it', () => {
  const lines: string[] = [];
  const log = jsonLog({
    write: { info: assert.fail, error: (line) => lines.push(line) },
    now: () => new Date('2026-11-21T08:00:00.5Z'),
  });
  log('error', 'step-failed', { run: 'r1', reason: 'two\nlines', since: new Date(0), nothing: undefined });
  assert.deepEqual(lines, [
    '{"level":"ERROR","message":"step-failed","timestamp":"2026-11-21T08:00:00.500Z","service":"blockferry",' +
      '"run":"r1","reason":"two\\nlines","since":"1970-01-01T00:00:00.000Z"}\n',
  ]);
});
