import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { Failure } from '#lib/failure.ts';
import type { GrainRun } from '#lib/format/grain-bitmap.ts';
import { UnpackingThreads } from '#lib/restore/unpacking-threads.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { type FrameUnpacker, unpackHere } from '#lib/vault/unpack-frames.ts';
import { MemoryBucket } from '../fakes/memory-store.ts';
import { VaultDisk } from '../fakes/vault-disk.ts';

const GRAIN = 65_536;

test('threads deliver the content and the damage that one thread alone would', async () => {
  const bucket = new MemoryBucket();
  const disk = new VaultDisk(bucket.store(), 300 * GRAIN);
  const changes = new Map(Array.from({ length: 300 }, (_, grain) => [grain, randomBytes(GRAIN)] as const));
  const seq = await disk.addPoint(changes);
  const [key] = bucket.objects.keys(`disks/${disk.disk}/packs/`);
  const body = bucket.objects.current(key ?? '')?.body;
  assert.ok(body);
  body[10 * 1_048_576] = (body[10 * 1_048_576] ?? 0) ^ 1;
  const readWith = async (unpacker: FrameUnpacker) => {
    const content = await DiskContent.open(bucket.store(), { disk: disk.disk, seq }, unpacker);
    const image = Buffer.alloc(300 * GRAIN);
    const damage: GrainRun[] = [];
    const write = (offsetBytes: number, data: Buffer) => void data.copy(image, offsetBytes);
    const damaged = (run: GrainRun, _failure: Failure) => void damage.push(run);
    for await (const read of content.reads({ first: 0, end: 300 })) await content.deliver(read, { write, damaged });
    return { image, damage };
  };
  await using threads = new UnpackingThreads(2);
  const there = await readWith(threads);
  const here = await readWith(unpackHere);
  assert.equal(there.damage.length, 1);
  assert.deepEqual(there.damage, here.damage);
  assert.ok(there.image.equals(here.image));
});
