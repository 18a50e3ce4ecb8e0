import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { type CloudAssembly, readCloudAssembly } from '#local/assembly/cloud-assembly.ts';
import { FunctionHost } from '#local/lambda/function-host.ts';
import { systemClock, systemRandomness } from '#local/states/system-clock.ts';
import { Workflows } from '#local/states/workflows.ts';

const run = promisify(execFile);
const projectRoot = join(import.meta.dirname, '../../..');
let directory = '';

/** Synthesizes the small site as the demo does the real one: node runs the app, no cdk command line. */
async function synthesize(references: 'strong' | 'weak'): Promise<CloudAssembly> {
  const outdir = join(directory, references);
  const app = join(import.meta.dirname, 'site/app.ts');
  await run(process.execPath, [app, outdir, references], { cwd: projectRoot, timeout: 60_000 });
  return readCloudAssembly({ directory: outdir, physicalNames: { 'Vault/Bucket': 'vault' } });
}

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'blockferry-assembly-'));
});
after(() => rm(directory, { recursive: true }));

test('what CDK synthesizes runs end to end: child machine, shards from S3, real bundles, results in S3', async (t) => {
  const assembly = await synthesize('weak');
  const objects = new Map<string, Uint8Array>();
  const host = new FunctionHost({ functions: assembly.functions.values(), concurrency: 4 });
  const workflows = new Workflows(assembly.stateMachines.values(), {
    functions: host,
    clock: systemClock,
    randomness: systemRandomness,
    objects: {
      get: async ({ bucket, key }) => objects.get(`${bucket}/${key}`) ?? Promise.reject(new Error(`NoSuchKey ${key}`)),
      put: async ({ bucket, key }, body) => {
        objects.set(`${bucket}/${key}`, body);
      },
    },
  });
  t.after(async () => {
    await workflows.close();
    await host.stop();
  });
  objects.set('vault/shards.jsonl', new TextEncoder().encode('{"from":1,"to":4}\n{"from":5,"to":5}\n'));
  const machine = [...assembly.stateMachines.values()].find(({ constructPath }) => constructPath === 'Site/Main');

  const execution = await workflows.start({ stateMachineArn: machine!.arn, input: { key: 'shards.jsonl' } });
  await execution.finished;
  assert.equal(execution.status, 'SUCCEEDED', `${execution.error}: ${execution.cause}`);
  const { Bucket, Key } = execution.output as { Bucket: string; Key: string };
  assert.equal(Bucket, 'vault');
  const results = new TextDecoder().decode(objects.get(`vault/${Key.replace('manifest.json', 'SUCCEEDED_0.jsonl')}`));
  const answers = results
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    answers.map(({ sum, bucket }) => [sum, bucket]),
    [
      [10, 'vault'],
      [5, 'vault'],
    ],
  );
  assert.ok(answers.every((answer) => answer.process !== process.pid));
  // Attempt, Start, Verdict, Done; in the child the Map; in its two children one task each.
  assert.equal(
    workflows.executions.reduce((sum, { transitions }) => sum + transitions, 0),
    7,
  );

  objects.set('vault/bad.jsonl', new TextEncoder().encode('{"from":9,"to":1}\n'));
  const failing = await workflows.start({ stateMachineArn: machine!.arn, input: { key: 'bad.jsonl' } });
  await failing.finished;
  assert.deepEqual([failing.status, failing.error], ['FAILED', 'States.TaskFailed']);
  assert.ok(workflows.executions.some(({ error }) => error === 'RangeError'));
});

test('an assembly answers functions, schedules and names, and no reference is left in a definition', async () => {
  const assembly = await synthesize('strong');
  const [sum] = [...assembly.functions.values()];
  assert.deepEqual(
    { ...sum, assetDirectory: undefined, name: undefined, arn: undefined },
    {
      constructPath: 'Site/Sum',
      handler: 'index.handler',
      memoryMb: 256,
      timeoutSeconds: 20,
      environment: { BUCKET: 'vault' },
      assetDirectory: undefined,
      name: undefined,
      arn: undefined,
    },
  );
  const [nightly] = assembly.schedules;
  const main = [...assembly.stateMachines.values()].find(({ constructPath }) => constructPath === 'Site/Main');
  assert.deepEqual(nightly, {
    constructPath: 'Site/Nightly',
    expression: 'cron(0 1 * * ? *)',
    timezone: 'Etc/UTC',
    enabled: true,
    targetArn: main?.arn,
    input: { bucket: 'vault' },
  });
  assert.equal(assembly.resources.get('Vault/Bucket')?.attributes['Arn'], 'arn:aws:s3:::vault');
  assert.doesNotMatch(JSON.stringify([...assembly.stateMachines.values()]), /Fn::|AWS::/);
});

test('a folder that is no cloud assembly is refused by name', async () => {
  await assert.rejects(readCloudAssembly({ directory }), { name: 'UnreadableAssembly' });
});
