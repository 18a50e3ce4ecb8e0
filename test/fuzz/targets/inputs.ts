/** What people, guests and AWS give: settings, requests, addresses, secrets, prices, partition tables, shards. */

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseSettings } from '#cdk/settings.ts';
import { parseVaultUrl } from '#cli/vault-options.ts';
import { parsePrices } from '#lib/cost/prices.ts';
import { refreshedPrices } from '#lib/cost/refresh.ts';
import { secretsManagerCredentials } from '#lib/credentials/secrets-manager.ts';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { readPartitions } from '#lib/restore/partitions.ts';
import { Secret } from '#lib/secret.ts';
import { pemSigner } from '#lib/signing/pem-signer.ts';
import { faultFacts, translated } from '#lib/store/s3-failures.ts';
import { publicKeyOf } from '#lib/verify/audit-signatures.ts';
import { runRequest } from '#lib/workflow/backup-input.ts';
import { fleetInput } from '#lib/workflow/fleet-input.ts';
import { poolsEnvironment } from '#lib/workflow/pools-environment.ts';
import { shardItem } from '#lib/workflow/read-shard.ts';
import { parseFingerprint } from '#lib/xapi/certificate-pin.ts';
import { hostName, parseHostUrl } from '#lib/xapi/pinned-agent.ts';
import type { FuzzTarget } from '../target.ts';

const text = (value: string) => Buffer.from(value);
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const file = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url));
/** A handler makes InvalidInput of it. */
const REFUSALS = ['SyntaxError', '$ZodError'];
const SNAPSHOT = file('lib/cost/price-snapshot.json');
const UUID = '0d15c000-1111-4222-8333-444455556666';

const settings: FuzzTarget = {
  name: 'settings',
  from: 'person',
  isJson: true,
  seeds: () => [file('blockferry.example.json')],
  refusals: REFUSALS,
  parse: (input) => parseSettings(JSON.parse(input.toString()), 'x').name === '' || 'settings',
};

/** What starts and feeds the steps: a run, a fleet run, a line of shards.jsonl, the pools of the environment. */
const stepInput: FuzzTarget = {
  name: 'step-input',
  from: 'person',
  isJson: true,
  seeds: () => [
    json({
      execution: 'arn:aws:states:eu:1:execution:a:b',
      started: '2026-01-05T12:00:00.000Z',
      request: { vm: UUID, pool: 'lab', readers: 4, excludeDisks: [UUID] },
    }),
    json({ policy: 'nightly', select: { uuids: [UUID], names: ['a'], tags: [] }, readers: 1 }),
    json({ runId: '0123456789abcdef', shard: 0, disk: UUID, firstGrain: 0, endGrain: 32, plannedGrains: 1 }),
    json({
      lab: {
        coordinator: { url: 'https://192.0.2.1', trust: { kind: 'fingerprint', sha256: 'ab'.repeat(32) } },
        others: [],
        secretName: 'x',
        nbd: 'tls',
      },
    }),
  ],
  refusals: REFUSALS,
  parse(input) {
    const value: unknown = JSON.parse(input.toString());
    const found = [runRequest, fleetInput, shardItem].findIndex((schema) => schema.safeParse(value).success);
    if (found >= 0) return `input ${'abc'[found]}`;
    return Object.keys(poolsEnvironment.POOLS.parse(input.toString())).length > 0 && 'pools';
  },
};

const credentials: FuzzTarget = {
  name: 'credentials',
  from: 'AWS',
  isJson: true,
  seeds: () => [json({ username: 'backup', password: 'hunter2-planted' })],
  async parse(input) {
    const client = { send: () => Promise.resolve({ SecretString: input.toString() }) };
    const read = secretsManagerCredentials(client as never);
    try {
      return typeof (await read('x')).username;
    } catch (failure) {
      if (String(failure).includes('hunter2')) throw new Error('the message holds the password', { cause: failure });
      throw failure;
    }
  },
};

const prices: FuzzTarget = {
  name: 'prices',
  from: 'AWS',
  isJson: true,
  seeds: () => [SNAPSHOT],
  refusals: REFUSALS,
  parse: (input) => parsePrices(JSON.parse(input.toString()), 'x').region === '' || 'prices',
};

const PRICES = parsePrices(JSON.parse(SNAPSHOT.toString()), 'x');
const SERVICE = 'AWSLambda';

/** An offer file of the AWS Price List. */
const priceFile: FuzzTarget = {
  name: 'price-file',
  from: 'AWS',
  isJson: true,
  seeds: () => {
    const types = Object.values(PRICES.prices).flatMap(({ serviceCode, usageType }) =>
      serviceCode === SERVICE ? [usageType] : [],
    );
    const term = { x: { priceDimensions: { y: { pricePerUnit: { USD: '0.023' } } } } };
    const products = types.map((usagetype) => [usagetype, { sku: usagetype, attributes: { usagetype } }]);
    const OnDemand = Object.fromEntries(types.map((usagetype) => [usagetype, term]));
    return [json({ products: Object.fromEntries(products), terms: { OnDemand } })];
  },
  refusals: REFUSALS,
  parse(input) {
    const offers = new Map<string, unknown>([[SERVICE, JSON.parse(input.toString())]]);
    const fresh = refreshedPrices(PRICES, offers, new Date('2026-01-05'));
    for (const { dollars } of Object.values(fresh.prices))
      if (!(dollars > 0)) throw new Error(`a price of ${dollars} dollars`);
    return 'prices';
  },
};

/** A private or a public key that somebody stored or named. */
const pem: FuzzTarget = {
  name: 'pem-keys',
  from: 'person',
  seeds: () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return [
      text(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
      text(publicKey.export({ type: 'spki', format: 'pem' }).toString()),
    ];
  },
  dictionary: ['-----BEGIN PRIVATE KEY-----', '-----BEGIN PUBLIC KEY-----', 'ENCRYPTED', '\n', 'MIGH'],
  async parse(input) {
    const given = input.toString('latin1');
    if (given.includes('PUBLIC')) return publicKeyOf(given, 'x').type;
    return (await pemSigner(new Secret(given)).sign(Buffer.from('x'))).key.slice(0, 6);
  },
};

/** The first byte chooses which kind of address the rest is. */
const addresses: FuzzTarget = {
  name: 'addresses',
  from: 'person',
  seeds: () => [
    text('0https://192.0.2.1:443'),
    text('1s3://bucket/prefix/'),
    text(`2${'AB:'.repeat(31)}AB`),
    text('0https://[2001:db8::1]'),
  ],
  dictionary: ['https://', 's3://', '@', ':', '[::1]', '%2f', '..', '#', '?', 'SHA256 Fingerprint='],
  parse(input) {
    const [kind = 0, rest] = [input[0], input.toString('utf8', 1)];
    if (kind % 3 === 0) return hostName(parseHostUrl(rest)).length >= 0 && 'host';
    if (kind % 3 === 1) return /^$|\/$/.test(parseVaultUrl(rest).prefix) && 'vault';
    return parseFingerprint(rest).length === 64 && 'fingerprint';
  },
};

/** An error of the SDK, as JSON of what it may carry. */
const storeErrors: FuzzTarget = {
  name: 'store-errors',
  from: 'vault',
  isJson: true,
  seeds: () => [
    json({
      name: 'NoSuchKey',
      message: 'gone',
      $metadata: { httpStatusCode: 404 },
      $response: { headers: { a: 'b' } },
    }),
    json({ name: 'Error', message: 'reset', code: 'ECONNRESET' }),
    json({ name: 'SlowDown', Region: 'eu', $metadata: { httpStatusCode: 503 } }),
  ],
  refusals: ['SyntaxError'],
  parse(input) {
    const value: unknown = JSON.parse(input.toString());
    const error = typeof value === 'object' && value !== null ? Object.assign(new Error('x'), value) : value;
    faultFacts(error);
    throw translated(error, { operation: 'get', bucket: 'b', key: 'k' });
  },
};

function gpt(): Buffer {
  const disk = Buffer.alloc(34 * 512);
  disk.write('EFI PART', 512, 'latin1');
  disk.writeBigUInt64LE(2n, 512 + 72);
  disk.writeUInt32LE(4, 512 + 80);
  disk.writeUInt32LE(128, 512 + 84);
  disk.fill(1, 1024, 1040);
  disk.writeBigUInt64LE(2048n, 1024 + 32);
  disk.writeBigUInt64LE(4095n, 1024 + 40);
  return disk;
}

function mbr(): Buffer {
  const disk = Buffer.alloc(1024);
  disk[450] = 0x83;
  disk.writeUInt32LE(2048, 454);
  disk.writeUInt32LE(2048, 458);
  disk.writeUInt16BE(0x55aa, 510);
  return disk;
}

/** The first sectors of a disk, which a guest wrote. */
const partitions: FuzzTarget = {
  name: 'partitions',
  from: 'guest',
  seeds: () => [gpt(), mbr(), Buffer.alloc(1024)],
  dictionary: ['EFI PART', '\x55\xaa'],
  async parse(input) {
    // Reads beyond the end are as short as those of a disk are.
    const found = await readPartitions((offset, bytes) => Promise.resolve(input.subarray(offset, offset + bytes)));
    if (found.some(({ offsetBytes, lengthBytes }) => offsetBytes < 0 || lengthBytes <= 0))
      throw new Error('a partition without place');
    return ['no', 'one', 'two', 'three'][found.length] ?? 'many';
  },
};

/** The first two bytes are the number of grains, the rest the stored bits. */
const bitmap: FuzzTarget = {
  name: 'grain-bitmap',
  from: 'vault',
  seeds: () => [Buffer.from([0, 16, 0xff, 0x80]), Buffer.from([1, 0, 0xaa])],
  parse(input) {
    const grains = input.length < 2 ? 0 : input.readUInt16BE(0);
    const bits = new GrainBitmap(grains, input.subarray(2));
    let sum = 0;
    for (const { first, end } of bits.runsIn({ first: 0, end: grains })) sum += end - first;
    if (sum !== bits.count()) throw new Error(`${sum} grains in runs, ${bits.count()} counted`);
    return 'counted';
  },
};

export const INPUT_TARGETS: readonly FuzzTarget[] = [
  settings,
  stepInput,
  credentials,
  prices,
  priceFile,
  pem,
  addresses,
  storeErrors,
  partitions,
  bitmap,
];
