import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod/mini';
import { stepHandler } from '#functions/handler.ts';
import type { Log } from '#functions/log-line.ts';
import { runIdOf } from '#lib/backup/run-id.ts';
import { Failure } from '#lib/failure.ts';
import { Secret } from '#lib/secret.ts';
import { step } from '#lib/workflow/contract.ts';

class HostGone extends Failure {
  static override readonly failureName = 'HostGone';
}

const contract = step({
  name: 'weigh-disk',
  input: z.strictObject({ disk: z.string(), grams: z.number() }),
  output: z.strictObject({ kilograms: z.number() }),
  environment: z.object({ SCALE: z.enum(['fine', 'coarse']) }),
  transient: [],
  occupied: [],
  timeoutSeconds: 10,
  memoryMib: 128,
});

interface Line {
  readonly level: string;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A handler for the contract whose work is `run`; remembers the lines that it logs. */
function weighing(
  run: Parameters<typeof build>[0],
  environment: Record<string, string> = { SCALE: 'fine' },
): { handle: (event: unknown, remainingMs?: number) => Promise<unknown>; lines: Line[] } {
  const lines: Line[] = [];
  const log: Log = (level, event, fields) => {
    lines.push({ level, event, fields });
  };
  const handler = build(run, { environment, log, measure: () => undefined });
  const handle = (event: unknown, remainingMs = 60_000) =>
    handler(event, { awsRequestId: 'request-1', getRemainingTimeInMillis: () => remainingMs });
  return { handle, lines };
}

function build(
  run: (grams: number, time: { deadline: Date; signal: AbortSignal }) => Promise<{ kilograms: number }>,
  surroundings: Parameters<typeof stepHandler>[2],
) {
  return stepHandler(
    contract,
    (_environment, { scrubber }) => {
      scrubber.remember(new Secret('correct & horse'));
      return ({ grams }, time) => run(grams, time);
    },
    surroundings,
  );
}

const input = { disk: 'd', grams: 1500 };

test('a step answers what its contract says and logs one line with its answer', async () => {
  const { handle, lines } = weighing(async (grams) => ({ kilograms: grams / 1000 }));
  assert.deepEqual(await handle(input), { kilograms: 1.5 });
  assert.equal(lines.length, 1);
  const [{ event, fields } = assert.fail()] = lines;
  assert.equal(event, 'step-succeeded');
  assert.deepEqual(fields['output'], { kilograms: 1.5 });
  assert.equal(fields['step'], 'weigh-disk');
  assert.equal(fields['requestId'], 'request-1');
});

test('an input against the contract is InvalidInput, names the field and repeats no value', async () => {
  const { handle } = weighing(async () => assert.fail('must not run'));
  await assert.rejects(handle({ disk: 'hunter2', grams: 'hunter2', extra: 1 }), (error: Error) => {
    assert.equal(error.name, 'InvalidInput');
    assert.match(error.message, /grams/);
    assert.match(error.message, /extra/);
    assert.doesNotMatch(error.message, /hunter2/);
    return true;
  });
});

test("an answer against the contract is InvalidOutput instead of the next step's trouble", async () => {
  const { handle } = weighing(async () => ({ kilograms: Number.NaN }));
  await assert.rejects(handle(input), { name: 'InvalidOutput' });
});

test('a missing environment variable is InvalidConfiguration at the first event, and again at the next', async () => {
  const { handle } = weighing(async () => ({ kilograms: 1 }), {});
  await assert.rejects(handle(input), { name: 'InvalidConfiguration', message: /SCALE/ });
  await assert.rejects(handle(input), { name: 'InvalidConfiguration' });
});

test('a failure leaves under its own name, without stack and cause', async () => {
  const { handle, lines } = weighing(async () => {
    throw new HostGone('host 192.0.2.1 is gone', { cause: new Error('socket'), details: { tries: 3 } });
  });
  await assert.rejects(handle(input), (error: Error) => {
    assert.equal(error.name, 'HostGone');
    assert.equal(error.message, 'host 192.0.2.1 is gone');
    assert.equal(error.stack, 'HostGone: host 192.0.2.1 is gone');
    assert.equal(error.cause, undefined);
    return true;
  });
  assert.deepEqual(lines[0]?.fields['causes'], ['Error: socket']);
  assert.deepEqual(lines[0]?.fields['details'], { tries: 3 });
});

test('secrets of a failure reach neither the state machine nor the log, in whatever form they are written', async () => {
  const { handle, lines } = weighing(async () => {
    const cause = new Error('<value>correct &amp; horse</value>');
    throw new HostGone('login root/correct & horse at /?session_id=OpaqueRef:12-ab gave OpaqueRef:9f', {
      cause,
      details: { url: 'https://h/?p=correct%20%26%20horse' },
    });
  });
  await assert.rejects(handle(input), (error: Error) => {
    assert.doesNotMatch(`${error.message}${error.stack}`, /horse|12-ab|9f/);
    return true;
  });
  assert.doesNotMatch(JSON.stringify(lines), /horse|12-ab|9f/);
});

test('the signal fires before the sandbox is killed, and a step that obeys it ends as StepOutOfTime', async () => {
  const { handle } = weighing((_grams, { deadline, signal }) => {
    assert.ok(deadline.getTime() - Date.now() <= 50);
    return delay(10_000, { kilograms: 1 }, { signal });
  });
  await assert.rejects(handle(input, 5_050), { name: 'StepOutOfTime' });
});

test('a failure that names its reason keeps its name although the time is over', async () => {
  const { handle } = weighing(async (_grams, { signal }) => {
    await delay(10_000, undefined, { signal }).catch(() => undefined);
    throw new HostGone('gone');
  });
  await assert.rejects(handle(input, 5_020), { name: 'HostGone' });
});

test('clients are made once for all events of a sandbox', async () => {
  let starts = 0;
  const handler = stepHandler(
    contract,
    () => {
      starts += 1;
      return async () => ({ kilograms: starts });
    },
    { environment: { SCALE: 'fine' }, log: () => undefined, measure: () => undefined },
  );
  const context = { awsRequestId: 'r', getRemainingTimeInMillis: () => 60_000 };
  await handler(input, context);
  assert.deepEqual(await handler(input, context), { kilograms: 1 });
});

test('a line names the run that it is about, whichever way the event tells, so that a run can be found in all logs', async () => {
  const { handle, lines } = weighing(() => Promise.resolve({ kilograms: 1 }));
  const execution = 'arn:aws:states:eu-central-1:123456789012:execution:blockferry-backup:a1';
  await assert.rejects(handle({ execution }));
  await assert.rejects(handle({ runId: runIdOf(execution) }));
  await handle(input);
  const [first, second, none] = lines.map(({ fields }) => fields['run']);
  assert.deepEqual([first, second, none], [runIdOf(execution), runIdOf(execution), undefined]);
});
