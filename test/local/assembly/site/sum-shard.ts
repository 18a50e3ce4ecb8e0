/** The function of the end-to-end test: a shard of one disk is a range to sum. */

export async function handler(shard: { from: number; to: number }): Promise<unknown> {
  if (shard.from > shard.to) throw new RangeError(`from ${shard.from} is above to ${shard.to}`);
  const numbers = Array.from({ length: shard.to - shard.from + 1 }, (_, index) => shard.from + index);
  return { sum: numbers.reduce((a, b) => a + b, 0), bucket: process.env['BUCKET'], process: process.pid };
}
