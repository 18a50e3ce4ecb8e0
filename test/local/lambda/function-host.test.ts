import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { enforceMemory } from '#local/lambda/memory-cap.ts';
import { hostHandler } from './handlers.ts';

/** Whether a process is still there; signal 0 asks without touching it. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('a handler gets its payload and a context, and its answer comes back', async (t) => {
  const { invoke } = await hostHandler(
    t,
    `export const handler = async (event, context) => ({
       event, name: context.functionName, memory: context.memoryLimitInMB, id: context.awsRequestId.length,
       remaining: context.getRemainingTimeInMillis() > 8000 && context.getRemainingTimeInMillis() <= 10000 });`,
  );
  assert.deepEqual(await invoke({ disk: 1 }), {
    kind: 'success',
    payload: { event: { disk: 1 }, name: 'probe', memory: '256', id: 36, remaining: true },
  });
});

test('a handler that answers nothing answers null', async (t) => {
  const { invoke } = await hostHandler(t, 'export const handler = async () => {};');
  assert.deepEqual(await invoke(), { kind: 'success', payload: null });
});

test('the second invocation is served by the warm sandbox of the first', async (t) => {
  const { invoke, reports } = await hostHandler(
    t,
    'let calls = 0; export const handler = async () => ({ calls: ++calls, pid: process.pid });',
  );
  const first = await invoke();
  const second = await invoke();
  assert.ok(first.kind === 'success' && second.kind === 'success');
  const [a, b] = [first.payload, second.payload] as { calls: number; pid: number }[];
  assert.deepEqual([a!.calls, b!.calls, a!.pid === b!.pid], [1, 2, true]);
  assert.ok(reports[0]!.initMs > 0);
  assert.equal(reports[1]!.initMs, 0);
});

test('invocations at the same time run in sandboxes of their own', async (t) => {
  const { invoke } = await hostHandler(
    t,
    `export const handler = async () => { await new Promise((done) => setTimeout(done, 200)); return process.pid; };`,
  );
  const answers = await Promise.all([invoke(), invoke(), invoke()]);
  assert.equal(new Set(answers.map((answer) => answer.kind === 'success' && answer.payload)).size, 3);
});

test('a thrown error arrives with its name, message and stack', async (t) => {
  const { invoke } = await hostHandler(
    t,
    `class HostBusy extends Error { name = 'HostBusy'; }
     export const handler = async () => { throw new HostBusy('all slots taken'); };`,
  );
  const answer = await invoke();
  assert.ok(answer.kind === 'error');
  assert.equal(answer.errorType, 'HostBusy');
  assert.equal(answer.errorMessage, 'all slots taken');
  assert.match(answer.trace[0]!, /HostBusy|all slots taken|Error/);
});

test('a handler that does not end is killed at its time-out, even in a busy loop', async (t) => {
  const { invoke, reports } = await hostHandler(
    t,
    `let calls = 0; export const handler = async (event) => { if (event.hang) for (;;); return ++calls; };`,
    { timeoutSeconds: 1 },
  );
  const answer = await invoke({ hang: true });
  assert.ok(answer.kind === 'error');
  assert.equal(answer.errorType, 'Sandbox.Timedout');
  assert.match(answer.errorMessage, /timed out after 1\.00 seconds/);
  assert.ok(reports[0]!.durationMs >= 990 && reports[0]!.durationMs < 3000, `${reports[0]!.durationMs} ms`);
  assert.deepEqual(await invoke({}), { kind: 'success', payload: 1 });
});

test('a function that takes more memory than it has is ended as Runtime.OutOfMemory', async (t) => {
  const { invoke } = await hostHandler(
    t,
    `const kept = [];
     export const handler = async (event) => {
       for (let mb = 0; mb < event.mb; mb += 10) { kept.push(Buffer.alloc(10 * 1048576, 1)); await new Promise((d) => setTimeout(d, 5)); }
       return kept.length; };`,
    { memoryMb: 256, memoryLimit: 'enforce' },
  );
  assert.deepEqual(await invoke({ mb: 50 }), { kind: 'success', payload: 5 });
  const answer = await invoke({ mb: 400 });
  assert.ok(answer.kind === 'error', JSON.stringify(answer));
  assert.equal(answer.errorType, 'Runtime.OutOfMemory');
  assert.deepEqual(await invoke({ mb: 10 }), { kind: 'success', payload: 1 });
});

test('without enforcement the peak is only reported', async (t) => {
  const { invoke, reports } = await hostHandler(
    t,
    'export const handler = async () => Buffer.alloc(150 * 1048576, 1).length;',
    { memoryMb: 128 },
  );
  assert.equal((await invoke()).kind, 'success');
  const { peakBytes, billedMs, gbSeconds } = reports[0]!;
  assert.ok(peakBytes === undefined || peakBytes > 150 * 1048576, `${peakBytes}`);
  assert.equal(gbSeconds, (billedMs / 1000) * 0.125);
});

test('a rejection that nobody handles ends the sandbox, and the next call gets a fresh one', async (t) => {
  const { invoke } = await hostHandler(
    t,
    `let calls = 0;
     export const handler = async (event) => {
       if (event.stray) { Promise.reject(new TypeError('forgotten')); await new Promise((d) => setTimeout(d, 5000)); }
       return ++calls; };`,
  );
  assert.deepEqual(await invoke({}), { kind: 'success', payload: 1 });
  const answer = await invoke({ stray: true });
  assert.ok(answer.kind === 'error');
  assert.equal(answer.errorType, 'Runtime.UnhandledPromiseRejection');
  assert.equal(answer.errorMessage, 'forgotten');
  assert.deepEqual(await invoke({}), { kind: 'success', payload: 1 });
});

test('a sandbox that dies while it is idle is not used again', async (t) => {
  const { invoke } = await hostHandler(
    t,
    `let calls = 0;
     export const handler = async (event) => {
       if (event.late) setTimeout(() => process.exit(3), 20);
       return { calls: ++calls, pid: process.pid }; };`,
  );
  const answer = await invoke({ late: true });
  assert.ok(answer.kind === 'success');
  const { pid } = answer.payload as { pid: number };
  while (isRunning(pid)) await delay(10);
  await delay(20);
  const next = await invoke({});
  assert.ok(next.kind === 'success', JSON.stringify(next));
  assert.equal((next.payload as { calls: number }).calls, 1);
});

test('process.exit is Runtime.ExitError', async (t) => {
  const { invoke } = await hostHandler(t, 'export const handler = async (event) => process.exit(event.code);');
  const answers = [await invoke({ code: 0 }), await invoke({ code: 7 })];
  const texts = answers.map((answer) => answer.kind === 'error' && `${answer.errorType}: ${answer.errorMessage}`);
  assert.deepEqual(texts, [
    'Runtime.ExitError: Runtime exited without providing a reason',
    'Runtime.ExitError: Runtime exited with error: exit status 7',
  ]);
});

test('a bundle without the handler, and one that cannot be read, are named as Lambda names them', async (t) => {
  const missing = await hostHandler(t, 'export const other = 1;');
  const broken = await hostHandler(t, 'export const handler = async () => {');
  const importing = await hostHandler(t, "import 'not-bundled'; export const handler = async () => 1;");
  const types = [];
  for (const { invoke } of [missing, broken, importing]) {
    const answer = await invoke();
    types.push(answer.kind === 'error' && answer.errorType);
  }
  assert.deepEqual(types, ['Runtime.HandlerNotFound', 'Runtime.UserCodeSyntaxError', 'Runtime.ImportModuleError']);
});

test('a function sees its own variables, the given ones and what Lambda sets, but nothing of this process', async (t) => {
  process.env['BLOCKFERRY_TEST_SECRET'] = 'must not be seen';
  t.after(() => delete process.env['BLOCKFERRY_TEST_SECRET']);
  const { host } = await hostHandler(t, 'export const handler = async () => process.env;', {
    environment: { BUCKET: 'vault' },
  });
  // The helper gives one environment to function and host alike; what counts is what is absent.
  const answer = await host.invoke('probe', {});
  assert.ok(answer.kind === 'success');
  const seen = answer.payload as Record<string, string>;
  assert.equal(seen['BUCKET'], 'vault');
  assert.equal(seen['AWS_REGION'], 'us-east-1');
  assert.equal(seen['AWS_LAMBDA_FUNCTION_NAME'], 'probe');
  assert.equal(seen['BLOCKFERRY_TEST_SECRET'], undefined);
  assert.equal(seen['HOME'], undefined);
});

test('log lines come back with the invocation that wrote them and are printed nowhere', async (t) => {
  const { invoke, logs, reports } = await hostHandler(
    t,
    `export const handler = async (event) => { console.log('out ' + event.n); console.error('err ' + event.n); };`,
  );
  await invoke({ n: 1 });
  await invoke({ n: 2 });
  while (logs.length < 4) await delay(5);
  const [first, second] = reports.map(({ requestId }) => requestId);
  assert.deepEqual(logs.map(({ line }) => line).toSorted(), ['err 1', 'err 2', 'out 1', 'out 2']);
  assert.notEqual(first, second);
  assert.ok(logs.every(({ functionName }) => functionName === 'probe'));
});

test('payloads above 6 MB are refused in both directions', async (t) => {
  const { invoke } = await hostHandler(t, `export const handler = async (event) => 'x'.repeat(event.answer ?? 0);`);
  const tooLarge = await invoke({ text: 'x'.repeat(6_291_556) });
  assert.deepEqual([tooLarge.kind, 'name' in tooLarge && tooLarge.name], ['refused', 'RequestTooLargeException']);
  const answer = await invoke({ answer: 6_291_556 });
  assert.deepEqual(
    [answer.kind, 'errorType' in answer && answer.errorType],
    ['error', 'Function.ResponseSizeTooLarge'],
  );
});

test('one invocation more than allowed is throttled', async (t) => {
  const { invoke } = await hostHandler(
    t,
    `export const handler = async () => { await new Promise((done) => setTimeout(done, 300)); };`,
    { concurrency: 1 },
  );
  const [first, second] = await Promise.all([invoke(), invoke()]);
  assert.equal(first!.kind, 'success');
  assert.deepEqual([second!.kind, 'name' in second! && second.name], ['refused', 'TooManyRequestsException']);
});

test('an unknown function is Lambda.ResourceNotFoundException', async (t) => {
  const { host } = await hostHandler(t, 'export const handler = async () => 1;');
  const answer = await host.invoke('arn:aws:lambda:us-east-1:123456789012:function:nobody', {});
  assert.deepEqual([answer.kind, 'name' in answer && answer.name], ['refused', 'ResourceNotFoundException']);
});

test('stop ends idle and busy sandboxes, waits for them, and removes the copied code', async (t) => {
  const { host, invoke, logs } = await hostHandler(
    t,
    `export const handler = async (event) => {
       console.log(process.pid + ' ' + process.env.LAMBDA_TASK_ROOT);
       if (event.hang) await new Promise((done) => setTimeout(done, 60_000)); };`,
    { timeoutSeconds: 60 },
  );
  await Promise.all([invoke({}), invoke({})]);
  const busy = invoke({ hang: true });
  while (logs.length < 3) await delay(5);
  await host.stop();
  assert.equal((await busy).kind, 'error');
  for (const { line } of logs) {
    const [pid = '', directory = ''] = line.split(' ');
    assert.equal(isRunning(Number(pid)), false, `process ${pid} is still there`);
    assert.equal(existsSync(directory), false);
  }
  const late = await invoke({});
  assert.deepEqual([late.kind, 'name' in late && late.name], ['refused', 'ServiceException']);
});

test('polling takes over where no control group can be made', async () => {
  const cap = await enforceMemory(64);
  assert.ok(['cgroup-v1', 'cgroup-v2', 'polling'].includes(cap.by));
  await cap.release();
});
