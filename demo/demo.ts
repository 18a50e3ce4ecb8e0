/**
 * `npm run demo`: the whole product on one machine, without an account. A real filesystem image becomes the disk of a
 * simulated XenServer; the workflow that CDK synthesizes backs it up, the disk changes, the increment is backed up, both
 * points are restored and compared byte for byte.
 */

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { formatBytes } from '#cli/console-text.ts';
import { keptCredentials } from '#local/s3/kept-credentials.ts';
import { type S3Server, startS3Server } from '#local/s3/server.ts';
import { startSimulator } from '#sim/simulator.ts';
import { DEMO_BUCKET, DEMO_PREFIX, DemoSite } from './demo-site.ts';
import { changeImage, makeImage } from './filesystem-image.ts';
import { measurementTable } from './measurements.ts';

const MIB = 1_048_576;

interface DemoOptions {
  readonly keep?: string;
  readonly size: string;
  readonly source: string;
}

const program = new Command('demo')
  .description('Backs up and restores a real filesystem image on this machine, through the workflow that is deployed.')
  .option('--keep <folder>', 'keep the vault there and say how to go on with it')
  .option('--size <MiB>', 'least size of the disk', '1280')
  .option('--source <folder>', 'folder whose files fill the disk', join(import.meta.dirname, '..', 'node_modules'))
  .action(demo);
await program.parseAsync();

async function demo(options: DemoOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'blockferry-demo-'));
  try {
    await runDemo(options, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runDemo({ keep, size, source }: DemoOptions, folder: string): Promise<void> {
  const images = { first: join(folder, 'disk-1.raw'), second: join(folder, 'disk-2.raw') };
  say('Making an ext4 filesystem with real files ...');
  const image = await makeImage(images.first, { folder: source, minBytes: Number(size) * MIB });
  say(`  ${formatBytes(image.bytes)}, ${image.files} files`);
  await using sim = await startSimulator();
  await using s3 = await startDemoS3(keep);
  const vm = await sim.addVm({ name: 'demo-vm', disks: [{ file: image.path }] });
  say(
    `A simulated XenServer at ${sim.url} runs the VM ${vm.name}; an S3 server for the vault listens at ${s3.endpoint}.`,
  );
  say('Synthesizing the AWS stacks and bundling the functions ...');
  const site = new DemoSite({ sim, s3, say });
  await using _ = await site.start();

  say('\n== Full backup');
  const full = await site.backUp('full', vm.uuid);
  say('\n== A day of work on the disk');
  const changed = await changeImage(image, { path: images.second, folder: source, scratch: folder });
  const grains = await sim.writeDifferences(vm.vdis[0] ?? '', images.second);
  say(`  ${changed.removed} files removed, ${changed.added} added: ${grains} blocks of 64 KiB differ`);
  say('\n== Incremental backup');
  const increment = await site.backUp('incremental', vm.uuid);

  say('\n== Restore');
  const same = await site.compareRestores([images.first, images.second], folder);
  say(`\n${measurementTable([full, increment])}`);
  if (keep !== undefined) say(`\n${howToGoOn(keep)}`);
  if (!same || !full.recordIsExact || !increment.recordIsExact) process.exitCode = 1;
}

function say(text: string): void {
  console.log(text);
}

/** A vault that is kept needs credentials that are kept beside it. */
async function startDemoS3(keep: string | undefined): Promise<S3Server> {
  if (keep === undefined) return startS3Server({ buckets: [DEMO_BUCKET] });
  const directory = resolve(keep);
  await mkdir(directory, { recursive: true });
  const credentials = await keptCredentials(directory);
  return startS3Server({ directory, buckets: [DEMO_BUCKET], credentials });
}

function howToGoOn(keep: string): string {
  return [
    `The vault is kept in ${resolve(keep)}. Serve it in one terminal; it prints its address and credentials:`,
    `  npm run s3 -- --dir ${resolve(keep)}`,
    'Export what it prints in another terminal, then for example:',
    `  export BLOCKFERRY_VAULT=s3://${DEMO_BUCKET}/${DEMO_PREFIX.slice(0, -1)} BLOCKFERRY_ENDPOINT=http://127.0.0.1:9700`,
    '  npx blockferry list',
    '  npx blockferry restore latest --to restored.raw',
  ].join('\n');
}
