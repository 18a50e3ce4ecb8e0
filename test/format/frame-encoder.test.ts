import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { decodeFrame, encodeFrame } from '#lib/format/frame.ts';
import { FrameEncoder } from '#lib/format/frame-encoder.ts';

const GRAIN = 65_536;
/** What fills a chunk of output, what shares one with others, and what does not fit into what is left of one. */
const CONTENTS = [
  randomBytes(4 * GRAIN),
  Buffer.alloc(GRAIN, 'text '),
  Buffer.alloc(4 * GRAIN, 7),
  randomBytes(3 * GRAIN),
  Buffer.concat([randomBytes(GRAIN), Buffer.alloc(GRAIN, 'text ')]),
  randomBytes(2 * GRAIN),
  randomBytes(512),
];

test('frames of one encoder are the frames that are encoded one by one, content size and checksum included', async () => {
  const encoder = new FrameEncoder();
  for (const content of [...CONTENTS, ...CONTENTS.toReversed()]) {
    const frame = Buffer.concat(await encoder.encode(content));
    const alone = encodeFrame(content);
    // Single segment, content size and content checksum are in the frame header's descriptor.
    assert.equal(frame[4], alone[4]);
    assert.ok(decodeFrame(frame, { grains: Math.ceil(content.length / GRAIN), where: 'frame' }).equals(content));
  }
  encoder.close();
});
