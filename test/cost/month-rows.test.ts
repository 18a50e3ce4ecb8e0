import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { estimateMonth, estimateRestore, type Setup, totalOf, type Workload } from '#lib/cost/estimate.ts';
import { endpointsMonth, linkMonth, transferOut } from '#lib/cost/link.ts';
import { packRequests } from '#lib/cost/pack-requests.ts';
import { charge, SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { lambdaTime, readerTime } from '#lib/cost/readers.ts';
import { cheapestClass, storageUntilDeleted } from '#lib/cost/storage-class.ts';
import { GIB, MIB } from '#lib/units.ts';
import { reproduces } from './worked-example.ts';

const TIB = 1024 * GIB;
const HOUR_LINK = 74.5 * 16;

/** 1 TiB full and 30 increments of 20 GiB, nothing compressed, in shards of 4 GiB and of 1 GiB. */
const load: Workload = {
  full: { bytes: TIB, shards: 256 },
  increment: { bytes: 20 * GIB, shards: 20 },
  incrementsPerMonth: 30,
  incrementsKept: 30,
  storedRatio: 1,
};
const setup: Setup = {
  readers: 16,
  memoryMib: 1024,
  partBytes: 16 * MIB,
  storageClass: 'STANDARD',
  linkMibPerSecond: HOUR_LINK,
  link: 'none',
  endpoints: 1,
  zones: 1,
};
const month = (changes: Partial<Setup> = {}, which: 'first' | 'steady' = 'first') =>
  estimateMonth(SHIPPED_PRICES, { ...setup, ...changes }, { ...load, which });
const price = (name: Parameters<typeof charge>[1], count: number) => charge(SHIPPED_PRICES, name, count).dollars;
const MOVED = 1624 * GIB;

describe('one month of 1 TiB and 30 x 20 GiB (aws.md 7.2)', () => {
  test('the row "Reader Lambda" is reproduced: 22,323 GB-s', () => {
    reproduces('GB-s', readerTime({ bytes: MOVED, readers: 16, linkMibPerSecond: HOUR_LINK }).readerSeconds, '22,323');
    reproduces('dollars', month().readers.dollars, '0.30');
  });

  test('the row "Control Lambdas" is reproduced, as far as a figure of whole cents says', () => {
    // The full's run is in it: 31 runs.
    reproduces('dollars', month().control.dollars, '0.01');
  });

  test('the row "SFN" is reproduced: about 1,800 transitions', () => {
    reproduces('dollars', month().workflow.dollars, '0.045');
    reproduces('transitions', month().workflow.dollars / price('stateTransition', 1), '1,800');
  });

  test('the row "S3 PUT parts" is reproduced in both classes and with parts of 64 MiB', () => {
    const parts = (partBytes: number) =>
      packRequests(TIB, { packBytes: 4 * GIB, partBytes, storedRatio: 1 }).parts +
      packRequests(600 * GIB, { packBytes: GIB, partBytes, storedRatio: 1 }).parts;
    reproduces('parts of 16 MiB', parts(16 * MIB), '104,000');
    reproduces('Standard', price('standardPut', parts(16 * MIB)), '0.52');
    reproduces('Glacier IR', price('glacierInstantPut', parts(16 * MIB)), '2.08');
    reproduces('Glacier IR, 64 MiB', price('glacierInstantPut', parts(64 * MIB)), '0.52');
  });

  test('the row "S3 storage, first month" is reproduced in both classes', () => {
    reproduces('Standard', month().storage.dollars, '30.45');
    reproduces('Glacier IR', month({ storageClass: 'GLACIER_IR' }).storage.dollars, '5.30');
  });

  test('the rows "KMS", "Secrets Manager" and "Interface endpoint" are reproduced', () => {
    reproduces('key', month().key.dollars, '1.00');
    reproduces('one secret', month().secret.dollars, '0.40');
    reproduces('two secrets', price('secretMonth', 2), '0.80');
    reproduces('1 zone', month().endpoints.dollars, '7.30');
    reproduces('2 zones', month({ zones: 2 }).endpoints.dollars, '14.60');
  });

  test('the row "Logs, alarms" is reproduced: about $1', () => {
    reproduces('dollars', month().watching.dollars, '1.00');
  });

  test('the row "Total without link" is reproduced in both classes', () => {
    reproduces('Standard', totalOf(month()), '41');
    reproduces('Glacier IR, 64 MiB', totalOf(month({ storageClass: 'GLACIER_IR', partBytes: 64 * MIB })), '16');
    reproduces('Glacier IR, 16 MiB', totalOf(month({ storageClass: 'GLACIER_IR' })), '17');
  });

  test('the rows of the link are reproduced: VPN, transit gateway, NAT', () => {
    reproduces('VPN', month({ link: 'vpn' }).link.dollars, '36.50');
    const gateway = linkMonth(SHIPPED_PRICES, 'transit-gateway', MOVED).dollars;
    reproduces('transit gateway over VPN', gateway - month({ link: 'vpn' }).link.dollars, '105');
    reproduces('its bytes', price('transitGatewayGib', 1624), '32');
    reproduces('NAT', linkMonth(SHIPPED_PRICES, 'nat', MOVED).dollars, '106');
    reproduces('NAT by the hour', linkMonth(SHIPPED_PRICES, 'nat', 0).dollars, '33');
  });

  test('the row "second month on" is reproduced in both classes', () => {
    reproduces('Standard', month({}, 'steady').storage.dollars, '37.35');
    reproduces('Glacier IR', month({ storageClass: 'GLACIER_IR' }, 'steady').storage.dollars, '6.50');
  });

  test('the comparison below the table is reproduced', () => {
    const { readers, workflow } = month();
    assert.ok((readers.dollars + workflow.dollars) / totalOf(month()) < 0.02);
    reproduces('double memory', month({ memoryMib: 2048 }).readers.dollars - readers.dollars, '0.30');
    const glacier = month({ storageClass: 'GLACIER_IR' }).storage.dollars;
    reproduces('choosing Glacier IR', month().storage.dollars - glacier, '25');
    reproduces('3 endpoints', endpointsMonth(SHIPPED_PRICES, { endpoints: 3, zones: 2 }).dollars, '43.80');
  });

  test('the row "Restore of 1 TiB" is reproduced by every way', () => {
    // The first 100 GB out of AWS are free each month; estimates do not count free tiers.
    reproduces('internet', transferOut(SHIPPED_PRICES, 'vpn', TIB - 100 * GIB).dollars, '83');
    reproduces('Direct Connect', transferOut(SHIPPED_PRICES, 'direct-connect', TIB).dollars, '20.48');
    const classes = { ...setup, link: 'direct-connect', partBytes: 64 * MIB } as const;
    const home = (storageClass: Setup['storageClass']) =>
      estimateRestore(SHIPPED_PRICES, { ...classes, storageClass }, TIB).dollars;
    reproduces('Glacier IR retrieval', home('GLACIER_IR') - home('STANDARD'), '30.72');
  });
});

describe('sensitivity (aws.md 7.3)', () => {
  const full = (changes: Partial<Setup> = {}) => month({ ...changes });
  test('the row "memory" is reproduced', () => {
    reproduces('x 2', full({ memoryMib: 2048 }).readers.dollars - full().readers.dollars, '0.30');
  });

  test('the row "part size 5 to 64 MiB" is reproduced in both classes', () => {
    const parts = (partBytes: number) => packRequests(TIB, { packBytes: 4 * GIB, partBytes, storedRatio: 1 }).parts;
    const fewer = parts(5 * MIB) - parts(64 * MIB);
    reproduces('Standard', price('standardPut', fewer), '0.97');
    reproduces('Glacier IR', price('glacierInstantPut', fewer), '3.9');
  });

  test('the row "readers 16 to 2 on 1.25 Gbit/s" is reproduced', () => {
    const cost = (readers: number) => {
      const { readerSeconds } = readerTime({ bytes: TIB, readers, linkMibPerSecond: 149 });
      return lambdaTime(SHIPPED_PRICES, { seconds: readerSeconds, memoryMib: 1024 }).dollars;
    };
    reproduces('per TiB', cost(16) - cost(2), '1.31');
  });

  test('the row "shard size 1 to 16 GiB" is reproduced', () => {
    reproduces('per TiB', price('stateTransition', 1024 - 64), '0.024');
  });

  test('the row "bucket key off" is reproduced for the parts of the month', () => {
    reproduces('dollars', price('kmsRequest', 1624 * 64), '0.3');
  });
});

describe('minimum durations for 30 days (aws.md 3.5)', () => {
  const kept = (storageClass: Setup['storageClass'], keptDays = 30) =>
    storageUntilDeleted(SHIPPED_PRICES, storageClass, { bytes: GIB, keptDays }).dollars;

  test('the classes are reproduced: Glacier IR is charged for 90 days and still halves Standard', () => {
    reproduces('Standard', kept('STANDARD'), '0.023');
    reproduces('IA', kept('STANDARD_IA'), '0.0125');
    reproduces('Glacier IR', kept('GLACIER_IR'), '0.0120');
  });

  test('the cheapest class depends on how long points are kept', () => {
    assert.deepEqual(
      [7, 30, 365].map((days) => cheapestClass(SHIPPED_PRICES, days)),
      ['STANDARD', 'GLACIER_IR', 'GLACIER_IR'],
    );
  });
});
