import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { combineCrc32 } from '#lib/store/crc32-combine.ts';

describe('combining CRC32s', () => {
  it('gives the CRC32 of the concatenation, for any parts', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 5000 }), { maxLength: 8 }), (parts) => {
        let combined = 0;
        for (const part of parts) combined = combineCrc32(combined, { crc32: crc32(part), bytes: part.length });
        assert.equal(combined, crc32(Buffer.concat(parts)));
      }),
    );
  });

  it('holds for parts of several MiB', () => {
    const [first, second] = [Buffer.alloc(5 * 1024 * 1024, 'ab'), Buffer.alloc(7_654_321, 'xyz')];
    const combined = combineCrc32(crc32(first), { crc32: crc32(second), bytes: second.length });
    assert.equal(combined, crc32(Buffer.concat([first, second])));
  });

  it('counts bytes beyond 4 GiB: 2^33 zero bytes in one step are the same as in sixteen', () => {
    const zeros = (bytes: number): number => {
      if (bytes === 1024) return crc32(Buffer.alloc(1024));
      const half = zeros(bytes / 2);
      return combineCrc32(half, { crc32: half, bytes: bytes / 2 });
    };
    const start = crc32('start');
    const sixteenth = { crc32: zeros(2 ** 29), bytes: 2 ** 29 };
    let stepwise = start;
    for (let step = 0; step < 16; step++) stepwise = combineCrc32(stepwise, sixteenth);
    assert.equal(combineCrc32(start, { crc32: zeros(2 ** 33), bytes: 2 ** 33 }), stepwise);
  });
});
