import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bundledModules } from './bundled-modules.ts';
import { FUNCTIONS, RESTORE_STEPS } from './installation.ts';

const run = promisify(execFile);
const projectRoot = fileURLToPath(new URL('../../', import.meta.url));
/** Of one bundled function; more would show in the time of every cold start. */
const MAX_BUNDLE_BYTES = 600_000;

const folder = mkdtempSync(join(tmpdir(), 'blockferry-app-'));
const bundles = new Map<string, string>();

interface Resource {
  readonly Type: string;
  readonly Properties: { readonly Code: { readonly S3Key: string } };
}

before(async () => {
  const env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    CDK_OUTDIR: folder,
    BLOCKFERRY_SETTINGS: join(projectRoot, 'test/cdk/settings.json'),
  };
  await run(process.execPath, ['cdk/app.ts'], { cwd: projectRoot, env, timeout: 600_000 });
  const read = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const assets: Record<string, { source: { path: string } }> = read('blockferry-pipeline.assets.json').files;
  const resources: Record<string, Resource> = read('blockferry-pipeline.template.json').Resources;
  for (const [id, { Type, Properties }] of Object.entries(resources)) {
    if (Type !== 'AWS::Lambda::Function') continue;
    const step = FUNCTIONS.find((name) => id.startsWith(name.replaceAll('-', '')));
    const { path } = assets[Properties.Code.S3Key.replace('.zip', '')]?.source ?? assert.fail(id);
    bundles.set(step ?? assert.fail(id), join(folder, path, 'index.js'));
  }
});

after(() => rmSync(folder, { recursive: true }));

interface Reply {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

/** Calls a bundled handler in a process of its own, away from the project's package.json and modules. */
async function invoke(step: string, event: unknown, environment: Record<string, string>) {
  const script = `
    const { handler } = require(process.argv[1]);
    const context = { awsRequestId: 'r', getRemainingTimeInMillis: () => 20000 };
    const end = (reply) => process.stdout.write('REPLY ' + JSON.stringify(reply), () => process.exit());
    handler(JSON.parse(process.argv[2]), context).then(
      (answer) => end({ answer }),
      ({ name, message, stack }) => end({ name, message, stack }),
    );`;
  const bundle = bundles.get(step) ?? assert.fail(step);
  const { stdout, stderr } = await run(process.execPath, ['-e', script, bundle, JSON.stringify(event)], {
    cwd: folder,
    timeout: 30_000,
    env: { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', ...environment },
  });
  const reply: Reply = JSON.parse(stdout.slice(stdout.indexOf('REPLY ') + 6));
  const lines: Record<string, unknown>[] = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return { reply, lines };
}

test('every step is bundled into one file of at most 600 kB', () => {
  assert.deepEqual([...bundles.keys()].sort(), [...FUNCTIONS].sort());
  for (const [step, file] of bundles) {
    assert.deepEqual(readdirSync(join(file, '..')), ['index.js']);
    assert.ok(statSync(file).size <= MAX_BUNDLE_BYTES, `${step} has ${statSync(file).size} bytes`);
  }
});

/** Parts that few steps have a use for, each with the steps that do. */
const LOGS_IN = [...RESTORE_STEPS, 'snapshot-disks', 'release-host', 'list-vms', 'sweep-runs', 'take-inventory'];
const READS_DISKS = ['read-shard', 'verify-range'];
const NEVER: readonly string[] = [];
const USED_BY: readonly (readonly [what: string, file: RegExp, steps: readonly string[]])[] = [
  ['XML-RPC', /node_modules\/(xmlrpc|sax|xmlbuilder)\/|^lib\/xapi\/(session|transport)\.ts/, LOGS_IN],
  ['the client for credentials', /client-secrets-manager/, LOGS_IN],
  ['NBD', /^lib\/nbd\/(connect|handshake|transport|read-queue)/, READS_DISKS],
  ['the client for keys that sign', /client-kms/, ['commit-point']],
  ['the client for executions', /client-sfn/, ['snapshot-disks', 'sweep-runs']],
  ['what draws the report', /node_modules\/d3-|^lib\/report\/(page|plots)/, ['write-report']],
  ['the client for prices', /client-pricing/, NEVER],
  ['the client for logs', /client-cloudwatch-logs/, NEVER],
  ['other sources of credentials', /credential-provider-(sso|ini|process|http|web)|credential-provider-imds/, NEVER],
  ['the command line', /commander|^cli\//, NEVER],
  ['what runs without AWS', /^(local|sim|cdk)\//, NEVER],
  ['S3', /client-s3/, FUNCTIONS.filter((step) => step !== 'list-vms' && step !== 'release-restore')],
];

test('no function bundles what it does not use', () => {
  const modules = FUNCTIONS.map((step) => ({ step, ...bundledModules(step) }));
  for (const { step, bundleBytes } of modules) {
    assert.equal(bundleBytes, statSync(bundles.get(step) ?? '').size, `${step} is looked at as it is deployed`);
  }
  for (const [what, file, steps] of USED_BY) {
    const found = modules.filter(({ files }) => files.some((each) => file.test(each))).map(({ step }) => step);
    assert.deepEqual(found.sort(), [...steps].sort(), what);
  }
});

test('names of failures survive minification', async () => {
  const environment = { VAULT_BUCKET: 'vault', VAULT_PREFIX: '', VAULT_OWNER: '123456789012' };
  const { reply, lines } = await invoke('read-shard', { runId: 'x' }, environment);
  assert.equal(reply.name, 'InvalidInput');
  assert.equal(reply.stack, `InvalidInput: ${reply.message}`);
  assert.equal(lines.length, 1);
  const [{ message, failure, step, reason } = assert.fail()] = lines;
  assert.deepEqual({ message, failure, step }, { message: 'step-failed', failure: 'InvalidInput', step: 'read-shard' });
  assert.equal(reason, reply.message);
});

test('a bundle reaches the vault with the credentials of its environment', async () => {
  const environment = {
    VAULT_BUCKET: 'vault',
    VAULT_PREFIX: '',
    VAULT_OWNER: 'any',
    AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9',
  };
  const { reply } = await invoke(
    'split-extents',
    { runId: '0123456789abcdef', request: { vm: randomUUID() } },
    environment,
  );
  assert.equal(reply.name, 'VaultUnavailable');
});
