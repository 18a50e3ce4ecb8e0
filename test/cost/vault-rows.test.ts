import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { linkMonth, transferOut } from '#lib/cost/link.ts';
import { packRequests } from '#lib/cost/pack-requests.ts';
import { charge, type PriceName, SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { lambdaTime } from '#lib/cost/readers.ts';
import { retrieval, storageMonth } from '#lib/cost/storage-class.ts';
import { GIB, MIB } from '#lib/units.ts';
import { reproduces } from './worked-example.ts';

const TIB = 1024 * GIB;
const KIB = 1024;
const price = (name: PriceName, count: number) => charge(SHIPPED_PRICES, name, count).dollars;
/** Objects of which each is put at once: the layouts of others. */
const objectPuts = (bytes: number, objectBytes: number) => Math.floor(bytes / objectBytes);

interface FullRow {
  readonly layout: string;
  readonly puts: number;
  readonly objects: number;
  readonly printed: readonly [puts: string, dollars: string, monitor?: string, move?: string];
}

const packs = (packMib: number, partMib: number, storedRatio = 0.5) =>
  packRequests(TIB, { packBytes: packMib * MIB, partBytes: partMib * MIB, storedRatio });

function packRow(layout: string, made: ReturnType<typeof packs>, printed: FullRow['printed']): FullRow {
  return { layout, puts: made.puts, objects: made.packs, printed };
}

function objectRow(layout: string, puts: number, printed: FullRow['printed']): FullRow {
  return { layout, puts, objects: puts, printed };
}

const FULL_ROWS: readonly FullRow[] = [
  packRow('B 1 GiB packs, 16 MiB parts', packs(1024, 16), ['35,840', '0.179', '0.003', '0.02']),
  packRow('B 1 GiB packs, 32 MiB parts', packs(1024, 32), ['19,456', '0.097', '0.003', '0.02']),
  // What does not compress grows by frame headers: the pack needs one part more.
  packRow('B, incompressible data', packs(1024, 32, 1.0001), ['36,864', '0.184', '0.003', '0.02']),
  packRow('B 256 MiB packs', packs(256, 32), ['28,672', '0.143', '0.010', '0.08']),
  packRow('B 4 GiB packs', packs(4096, 32), ['17,152', '0.086', '0.001', '0.01']),
  packRow('A one object', packs(1_048_576, 64), ['8,195', '0.041']),
  objectRow('restic 16 MiB packs', objectPuts(TIB / 2, 16 * MIB), ['32,768', '0.164', '0.08', '0.66']),
  objectRow('kopia 20 MB packs', objectPuts(TIB / 2, 20 * MIB), ['26,214', '0.131', '0.07', '0.52']),
  objectRow('PBS 4 MiB', objectPuts(TIB, 4 * MIB), ['262,144', '1.31', '0.66', '5.24']),
  objectRow('XO 2 MiB', objectPuts(TIB, 2 * MIB), ['524,288', '2.62', '1.31', '10.49']),
  objectRow('Veeam-like 1 MiB', objectPuts(TIB, MIB), ['1,048,576', '5.24', '2.62', '20.97']),
  objectRow('C 64 KiB', objectPuts(TIB, 64 * KIB), ['16,777,216', '83.89', undefined, '335.5']),
];

describe('a full of 1 TiB by layout (storage.md 5)', () => {
  for (const { layout, puts, objects, printed } of FULL_ROWS) {
    test(`the row "${layout}" is reproduced`, () => {
      const [printedPuts, dollars, monitor, move] = printed;
      reproduces('PUT-class', puts, printedPuts);
      reproduces('dollars', price('standardPut', puts), dollars);
      if (monitor !== undefined) reproduces('monitoring', price('tieringMonitoring', objects), monitor);
      if (move !== undefined) reproduces('move to GIR', price('glacierInstantTransition', objects), move);
    });
  }
});

describe('an increment of 50 GiB a day, 30 kept (storage.md 5)', () => {
  /** Shards, plan, manifest, ledger entry, point and the like: written by each run whatever its size. */
  const RUN_PUTS = 6;
  const packsOf = (readGib: number) =>
    packRequests(readGib * GIB, { packBytes: GIB, partBytes: 32 * MIB, storedRatio: 0.5 }).puts + RUN_PUTS;
  /** Content that a layout reads and stores because of its block size; the amplification is the example's input. */
  const rows: readonly [
    string,
    number,
    (readGib: number) => number,
    readonly [string, string, string, string, string],
  ][] = [
    ['B, 64 KiB grains', 50, packsOf, ['25', '956', '0.005', '750', '17.25']],
    ['B, fixed 256 KiB blocks', 81, packsOf, ['40.5', '1,545', '0.008', '1,215', '27.95']],
    ['C 64 KiB objects', 50, (gib) => objectPuts(gib * GIB, 64 * KIB), ['25', '819,200', '4.10', '750', '17.25']],
    [
      'Veeam-like 1 MiB objects',
      165,
      (gib) => objectPuts(gib * GIB, MIB),
      ['82.5', '168,960', '0.84', '2,475', '56.92'],
    ],
    ['PBS 4 MiB', 284, (gib) => objectPuts(gib * GIB, 4 * MIB), ['142', '72,704', '0.36', '4,260', '97.98']],
  ];
  for (const [layout, readGib, putsOf, [storedDay, puts, dollars, stored, month]] of rows) {
    test(`the row "${layout}" is reproduced`, () => {
      const storedGib = readGib * 0.5;
      reproduces('stored a day', storedGib, storedDay);
      reproduces('PUT-class', putsOf(readGib), puts);
      reproduces('dollars', price('standardPut', putsOf(readGib)), dollars);
      reproduces('stored', 30 * storedGib, stored);
      reproduces('a month', storageMonth(SHIPPED_PRICES, 'STANDARD', { bytes: 30 * storedGib * GIB }).dollars, month);
    });
  }

  test('the row "XO 2 MiB + merge" is reproduced with its copies and heads', () => {
    const puts = objectPuts(225 * GIB, 2 * MIB);
    reproduces('PUT-class', puts, '115,200');
    reproduces('dollars', price('standardPut', 2 * puts) + price('standardGet', 2 * puts), '1.24');
    reproduces('a month', storageMonth(SHIPPED_PRICES, 'STANDARD', { bytes: 30 * 112.5 * GIB }).dollars, '77.62');
  });
});

describe('the rows below the tables (storage.md 5)', () => {
  const standard = (tib: number) => storageMonth(SHIPPED_PRICES, 'STANDARD', { bytes: tib * TIB }).dollars;
  /** A function of 1,769 MB that carries 100 MiB/s. */
  const lambda = (bytes: number) =>
    lambdaTime(SHIPPED_PRICES, { seconds: bytes / (100 * MIB), memoryMib: 1769 }).dollars;
  const gets = (bytes: number) => Math.ceil(bytes / (32 * MIB));
  const HALF = TIB / 2;

  test('Step Functions: 780 transitions are $0.02, 4,000 are $0.10', () => {
    reproduces('780', price('stateTransition', 780), '0.02');
    reproduces('4,000', price('stateTransition', 4000), '0.10');
    assert.ok(price('kmsRequest', 3) < 0.0001);
  });

  test('daily 50 GiB: requests are $0.005, extending the locks of every pack in use at most $0.01', () => {
    const { puts } = packRequests(50 * GIB, { packBytes: GIB, partBytes: 32 * MIB, storedRatio: 0.5 });
    reproduces('requests', price('standardPut', puts), '0.005');
    // Packs of the full and of 30 increments; each is asked for once a day at most.
    const inUse = packs(1024, 32).packs + (30 * 25 * GIB) / GIB;
    assert.ok(price('standardPut', inUse) <= 0.01, String(inUse));
  });

  test('month total of a 2 TiB disk: ideal, with compaction, without', () => {
    reproduces('ideal', standard(1.73), '40.8');
    reproduces('with compaction', standard(1.73 * 1.6), '64');
    reproduces('without', standard(1.73 * 4.7), '191');
  });

  test('month total of a 2 TiB disk: requests and Lambda are $2 to $4', () => {
    const moved = 2 * TIB + 30 * 50 * GIB;
    const seconds = (4 * moved) / 125e6;
    const { puts } = packRequests(moved, { packBytes: GIB, partBytes: 32 * MIB, storedRatio: 0.5 });
    const dollars = lambdaTime(SHIPPED_PRICES, { seconds, memoryMib: 1769 }).dollars + price('standardPut', puts);
    assert.ok(dollars > 2 && dollars < 4, String(dollars));
  });

  test('Intelligent-Tiering of what is untouched for 90 days: $4 instead of $23.6', () => {
    reproduces('frequent', price('tieringFrequentMonth', 1024), '23.6');
    reproduces('archive', price('tieringArchiveMonth', 1024), '4.1');
  });

  test('verify of 1 TiB: in Standard, in IA, in Glacier IR, in Intelligent-Tiering', () => {
    const read = (storageClass: 'STANDARD' | 'STANDARD_IA' | 'GLACIER_IR') =>
      retrieval(SHIPPED_PRICES, storageClass, { bytes: HALF, gets: gets(HALF) }).dollars;
    reproduces('GETs', price('standardGet', gets(HALF)), '0.007');
    reproduces('Lambda', lambda(HALF), '0.12');
    reproduces('Standard', read('STANDARD') + lambda(HALF), '0.13');
    reproduces('IA', read('STANDARD_IA') - read('STANDARD'), '5.1');
    reproduces('Glacier IR', read('GLACIER_IR') - read('STANDARD'), '15.4');
    reproduces('INT, first month', price('tieringFrequentMonth', 512) - price('tieringArchiveMonth', 512), '10');
    reproduces(
      'INT, until 90 days',
      2 * (price('tieringInfrequentMonth', 512) - price('tieringArchiveMonth', 512)),
      '9',
    );
    reproduces('on premises', transferOut(SHIPPED_PRICES, 'vpn', HALF).dollars, '46');
  });

  test('restore of 1 TiB to the data centre: compressed, raw, and by NAT', () => {
    reproduces('compressed', transferOut(SHIPPED_PRICES, 'vpn', HALF).dollars, '46');
    reproduces('raw', transferOut(SHIPPED_PRICES, 'vpn', TIB).dollars, '92');
    const nat = linkMonth(SHIPPED_PRICES, 'nat', TIB).dollars - linkMonth(SHIPPED_PRICES, 'nat', 0).dollars;
    reproduces('NAT', nat, '46');
  });

  test('compaction for each stored GiB copied: in Standard and in Glacier IR', () => {
    const { puts } = packRequests(2 * GIB, { packBytes: GIB, partBytes: 32 * MIB, storedRatio: 0.5 });
    const copy = (storageClass: 'STANDARD' | 'GLACIER_IR', put: PriceName) =>
      lambda(GIB) + price(put, puts) + retrieval(SHIPPED_PRICES, storageClass, { bytes: GIB, gets: gets(GIB) }).dollars;
    reproduces('Standard', copy('STANDARD', 'standardPut'), '0.00043');
    reproduces('Glacier IR', copy('GLACIER_IR', 'glacierInstantPut'), '0.031');
  });
});
