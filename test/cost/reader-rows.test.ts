import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { shardBytes } from '#lib/backup/shards.ts';
import { SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { lambdaTime, READER_MIB_PER_SECOND, readersFor, readerTime } from '#lib/cost/readers.ts';
import { GIB } from '#lib/units.ts';
import { reproduces } from './worked-example.ts';

const TIB = 1024 * GIB;
const MEMORIES = [512, 768, 1024, 1769, 2048, 3008, 10240];

/** Rate per reader, reader-seconds, dollars by memory, wall minutes of 16 readers. */
const READER_COST: readonly [string, string, readonly string[], string][] = [
  ['9.3', '112,750', ['0.75', '1.13', '1.50', '2.60', '3.01', '4.42', '15.03'], '117'],
  ['18.6', '56,375', ['0.38', '0.56', '0.75', '1.30', '1.50', '2.21', '7.52'], '59'],
  ['37.2', '28,188', ['0.19', '0.28', '0.38', '0.65', '0.75', '1.10', '3.76'], '29'],
  ['50', '20,972', ['0.14', '0.21', '0.28', '0.48', '0.56', '0.82', '2.80'], '22'],
  ['74.5', '14,075', ['0.09', '0.14', '0.19', '0.32', '0.38', '0.55', '1.88'], '15'],
];

describe('reader cost per TiB (aws.md 7.1)', () => {
  for (const [rate, readerSeconds, dollars, minutes] of READER_COST) {
    test(`the row of ${rate} MiB/s for each reader is reproduced`, () => {
      const time = readerTime({ bytes: TIB, readers: 16, linkMibPerSecond: Number(rate) * 16 });
      reproduces('reader-s/TiB', time.readerSeconds, readerSeconds);
      reproduces('wall', time.wallSeconds / 60, minutes);
      for (const [index, memoryMib] of MEMORIES.entries()) {
        const { dollars: cost } = lambdaTime(SHIPPED_PRICES, { seconds: time.readerSeconds, memoryMib });
        reproduces(`${memoryMib} MB`, cost, dollars[index]!);
      }
    });
  }

  test('the row of 357 MiB/s, outside a VPC with 10 GB, is reproduced', () => {
    const seconds = (TIB / GIB) * (1024 / 357);
    reproduces('10,240 MB', lambdaTime(SHIPPED_PRICES, { seconds, memoryMib: 10240 }).dollars, '0.39');
    reproduces('wall', seconds / 16 / 60, '3');
  });

  test('x86 costs 1.25 times as much', () => {
    const use = { seconds: 1000, memoryMib: 1024 };
    const arm = lambdaTime(SHIPPED_PRICES, use).dollars;
    reproduces('x86', lambdaTime(SHIPPED_PRICES, { ...use, architecture: 'x86_64' }).dollars / arm, '1.25');
  });

  test('the rule for readers gives 2, 8 and 16 for links of 1.25, 5 and 10 Gbit/s', () => {
    assert.deepEqual(
      [1.25, 5, 10].map((gbit) => readersFor((gbit * 1e9) / 8 / 1_048_576)),
      [2, 8, 16],
    );
  });

  test('no reader is faster than what Lambda gives it', () => {
    assert.equal(readerTime({ bytes: GIB, readers: 2, linkMibPerSecond: 10_000 }).mibPerSecond, READER_MIB_PER_SECOND);
  });
});

describe('Lambda for 1 TiB by link (storage.md 5)', () => {
  const rows: readonly [string, readonly [string, string, string], string][] = [
    ['125', ['3.32', '1.88', '0.83'], '2.4'],
    ['500', ['0.83', '0.47', '0.21'], '0.617'],
    ['1250', ['0.33', '0.19', '0.08'], '0.25'],
  ];
  for (const [megabytes, dollars, hours] of rows) {
    test(`the row of ${megabytes} MB/s is reproduced`, () => {
      const seconds = TIB / (Number(megabytes) * 1e6);
      const cost = (readers: number, memoryMib: number) =>
        lambdaTime(SHIPPED_PRICES, { seconds: seconds * readers, memoryMib }).dollars;
      reproduces('16 x 1,769 MB', cost(16, 1769), dollars[0]);
      reproduces('16 x 1,024 MB', cost(16, 1024), dollars[1]);
      reproduces('4 x 1,769 MB', cost(4, 1769), dollars[2]);
      reproduces('wall hours', seconds / 3600, hours);
    });
  }

  test('the row of 50 GiB a day is reproduced: between $0.01 and $0.04', () => {
    const daily = (megabytes: number) =>
      lambdaTime(SHIPPED_PRICES, { seconds: (4 * 50 * GIB) / (megabytes * 1e6), memoryMib: 1769 }).dollars;
    reproduces('at 500 MB/s', daily(500), '0.01');
    reproduces('at 125 MB/s', daily(125), '0.04');
  });
});

describe('choosing shard size and memory (aws.md 7.4)', () => {
  const MIB_PER_GIB = 1024;
  const shardGib = (rate: number, seconds: number) => (rate * seconds) / MIB_PER_GIB;
  const minutes = (gib: number, rate: number) => {
    const { readerSeconds } = readerTime({ bytes: gib * GIB, readers: 1, linkMibPerSecond: rate });
    return readerSeconds / 60;
  };

  test('the row "240 to 300 s for a shard" is reproduced for readers of 9.3, 20 and 74.5 MiB/s', () => {
    reproduces('r = 20, least', shardGib(20, 240), '4.7');
    reproduces('r = 20, most', shardGib(20, 300), '5.9');
    reproduces('r = 74.5, least', shardGib(74.5, 240), '17');
    reproduces('r = 74.5, most', shardGib(74.5, 300), '22');
    reproduces('r = 9.3, least', shardGib(9.3, 240), '2.2');
    reproduces('r = 9.3, most', shardGib(9.3, 300), '2.7');
  });

  test('the row "4 GiB" is reproduced: 256 shards of a TiB, 7.3 min at 9.3 MiB/s, 55 s at 74.5', () => {
    assert.equal(TIB / shardBytes(TIB, 16), 256);
    reproduces('9.3 MiB/s', minutes(4, 9.3), '7.3');
    reproduces('74.5 MiB/s', minutes(4, 74.5) * 60, '55');
  });

  test('the row "20 GiB" is reproduced: 5 shards of 4 GiB, and enough for two rounds as we cut them', () => {
    assert.equal(Math.ceil((20 * GIB) / (4 * GIB)), 5);
    assert.equal(Math.ceil((20 * GIB) / shardBytes(20 * GIB, 16)), 32);
  });
});
