import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parsePrices, SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { Secret } from '#lib/secret.ts';
import { s3Store } from '#lib/store/s3.ts';
import { GIB } from '#lib/units.ts';
import { type S3Server, startS3Server } from '#local/s3/server.ts';
import { encodePoint, idOf, keyOf, pointOf } from '../report/point-fixture.ts';

const COMMAND = join(import.meta.dirname, '..', '..', 'cli', 'blockferry.ts');
const DAY_MS = 86_400_000;

describe('the commands about cost', () => {
  let s3: S3Server;
  let folder: string;
  const servers: Server[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'blockferry-cost-'));
    s3 = await startS3Server({ buckets: ['vault'] });
    const { accessKeyId, secretAccessKey } = s3.credentials;
    const credentials = { accessKeyId, secretAccessKey: new Secret(secretAccessKey) };
    using store = s3Store({ bucket: 'vault', endpoint: s3.endpoint, credentials });
    for (let seq = 1; seq <= 10; seq++) {
      const time = new Date(Date.now() - (10.5 - seq) * DAY_MS);
      const point = pointOf({
        vmName: 'web-1',
        seq,
        time,
        kind: seq === 1 ? 'full' : 'incremental',
        dataGrains: seq === 1 ? 16_384 : 1024,
        storedBytes: 30_000_000,
      });
      await store.put(keyOf(point), encodePoint(point));
    }
    const vm = (name: string) => ({
      uuid: idOf(name),
      name,
      tags: [],
      disks: [{ uuid: idOf(`disk of ${name}`), name: 'root', allocatedBytes: 50 * GIB }],
    });
    const vms = [vm('web-1'), vm('new-1')];
    await store.put(vaultKeys.inventory('lab'), encodeDocument({ ...HEAD, pool: 'lab', time: new Date(), vms }));
  });
  after(async () => {
    await s3.stop();
    for (const server of servers) server.close();
    await rm(folder, { recursive: true, force: true });
  });

  const blockferry = (...args: string[]) => blockferryWith({}, ...args);

  function blockferryWith(
    changes: Readonly<Record<string, string>>,
    ...args: string[]
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    const env = {
      ...changes,
      ...process.env,
      AWS_ACCESS_KEY_ID: s3.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.credentials.secretAccessKey,
      BLOCKFERRY_VAULT: 's3://vault',
      BLOCKFERRY_ENDPOINT: s3.endpoint,
    };
    return new Promise((resolve) => {
      execFile(process.execPath, [COMMAND, ...args], { env }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });
  }

  test("estimate uses the VM's own changed blocks and says how the newest run compares", async () => {
    const { code, stdout, stderr } = await blockferry('estimate', '--vm', 'web-1');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /changed blocks and stored bytes of the last 9 increments/);
    assert.match(stdout, /a full of 1\.00 GiB, increments of 64\.0 MiB/);
    assert.match(stdout, /The newest run: \$0\.00\d+ measured, \$0\.00\d+ estimated; mostly readers/);
    assert.match(stdout, /us-east-1 list prices of 2026-10-01 \(\d+ days old\)/);
  });

  test('estimate --policy sizes every VM that the policy selects, by its increments or by what is allocated', async () => {
    const settings = join(folder, 'blockferry.json');
    await writeFile(settings, JSON.stringify({ policies: [{ name: 'nightly', select: 'all', at: '01:30' }] }));
    const { code, stdout, stderr } = await blockferry('estimate', '--policy', 'nightly', '--settings', settings);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Policy nightly, 2 VMs:/);
    assert.match(stdout, /web-1 +1\.00 GiB +64\.0 MiB +\$\d+\.\d\d +changed blocks/);
    assert.match(stdout, /new-1 +50\.0 GiB +1\.00 GiB +\$\d+\.\d\d +the allocated size/);
  });

  test('a what-if changes the figures: Glacier IR stores for less', async () => {
    const storageOf = async (...args: string[]) => {
      const { stdout } = await blockferry('estimate', '--allocated', '1024', '--json', ...args);
      return JSON.parse(stdout).months.steady.storage.dollars;
    };
    assert.ok((await storageOf('--class', 'GLACIER_IR')) < (await storageOf()) / 5);
  });

  test('a passed budget warns, or stops with exit code 1, and names the setting that helps', async () => {
    const ask = (...args: string[]) => blockferry('estimate', '--allocated', '1024', '--budget', '10', ...args);
    const [warned, stopped] = [await ask(), await ask('--budget-stop')];
    assert.deepEqual([warned.code, stopped.code], [0, 1]);
    assert.match(warned.stderr, /budget of \$10\.00.*vault\.storageClass/);
    assert.match(stopped.stderr, /BudgetExceeded/);
  });

  test('list has what each run cost beside its estimate', async () => {
    const { stdout } = await blockferry('list');
    assert.match(stdout, /RUN COST +ESTIMATED +DIFFERENCE/);
    assert.match(stdout, /incremental +at commit +\$0\.00\d\d +\$0\.00\d\d +mostly readers: \$0\.00\d+ measured/);
  });

  test('report writes the page and says what is in it', async () => {
    const to = join(folder, 'backups.html');
    const { code, stdout, stderr } = await blockferry('report', '--to', to, '--keep-daily', '3');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /1 VMs, 0 late/);
    assert.match(
      await readFile(to, 'utf8'),
      /^<!doctype html>[\s\S]*web-1[\s\S]*Retention lets \d+ points go within a week/,
    );
  });

  test('prices show and report say the same as one JSON object when asked for JSON', async () => {
    const shown = await blockferry('prices', 'show', '--json');
    assert.deepEqual(parsePrices(JSON.parse(shown.stdout), 'the shown prices'), SHIPPED_PRICES);
    const to = join(folder, 'backups-json.html');
    const { vms, bytes } = JSON.parse((await blockferry('report', '--to', to, '--json')).stdout);
    assert.equal(bytes, (await readFile(to)).length);
    const [{ vm, name, status, points }] = vms;
    assert.deepEqual([vms.length, vm, name, status, points], [1, idOf('web-1'), 'web-1', 'in time', 10]);
  });

  test('prices refresh asks GetProducts for every price, by usage type and region', async () => {
    const api = await startPriceApi((service, usageType) => ({
      FormatVersion: 'aws_v1',
      // Of data transfer AWS has more than one product: such a price stays as it was shipped.
      PriceList: service === 'AWSDataTransfer' ? [] : [productOf(service, usageType)],
    }));
    try {
      const to = join(folder, 'queried.json');
      const { code, stdout, stderr } = await blockferryWith(
        { AWS_ENDPOINT_URL_PRICING: api.url },
        'prices',
        'refresh',
        '--to',
        to,
      );
      assert.equal(code, 0, stderr);
      assert.match(stdout, /GetProducts.*\n.*AWSDataTransfer stay as they were shipped.*\n.*\(0 days old\)/);
      const { prices } = parsePrices(JSON.parse(await readFile(to, 'utf8')), to);
      const shipped = SHIPPED_PRICES.prices;
      assert.equal(prices.natHour.dollars, 2 * shipped.natHour.dollars);
      assert.equal(prices.standardMonth.dollars, 2 * shipped.standardMonth.dollars);
      assert.equal(prices.internetOutGib.dollars, shipped.internetOutGib.dollars);
      assert.equal(api.asked.length, Object.keys(shipped).length);
      assert.ok(api.asked.includes('AWSPriceListService.GetProducts AmazonStates USE1-StateTransition us-east-1'));
    } finally {
      api.stop();
    }
  });

  test('prices refresh falls back to the public files where credentials do not allow GetProducts, and says so', async () => {
    const api = await startPriceApi(() => ({ __type: 'AccessDeniedException', message: 'not authorized' }));
    try {
      const to = join(folder, 'refused.json');
      const args = ['prices', 'refresh', '--to', to, '--from', await mirror()];
      const { code, stdout, stderr } = await blockferryWith({ AWS_ENDPOINT_URL_PRICING: api.url }, ...args);
      assert.equal(code, 0, stderr);
      assert.match(
        stdout,
        /AccessDeniedException.*; the public price files are used instead\.\nFrom the price files at/,
      );
      const { prices } = parsePrices(JSON.parse(await readFile(to, 'utf8')), to);
      assert.equal(prices.stateTransition.dollars, 2 * SHIPPED_PRICES.prices.stateTransition.dollars);
      assert.equal(prices.natHour.dollars, SHIPPED_PRICES.prices.natHour.dollars);
    } finally {
      api.stop();
    }
  });

  test('prices refresh writes a list from public files that estimate takes', async () => {
    const to = join(folder, 'prices.json');
    const { code, stderr } = await blockferry('prices', 'refresh', '--public', '--to', to, '--from', await mirror());
    assert.equal(code, 0, stderr);
    const list = parsePrices(JSON.parse(await readFile(to, 'utf8')), to);
    assert.equal(list.prices.stateTransition.dollars, 2 * SHIPPED_PRICES.prices.stateTransition.dollars);
    assert.equal((await blockferry('estimate', '--allocated', '10', '--prices', to)).code, 0);
  });

  /** Address of a server of price files, which ends with the tests. */
  async function mirror(): Promise<string> {
    const server = createServer((request, response) => {
      response.end(JSON.stringify(offerOf(request.url?.split('/')[4] ?? '')));
    }).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
});

/** Answers GetProducts as AWS does: each product is JSON text inside the JSON answer. Remembers what was asked. */
async function startPriceApi(answer: (service: string, usageType: string) => object) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const { ServiceCode, Filters } = JSON.parse(Buffer.concat(chunks).toString());
      const of = (field: string) => Filters.find((filter: { Field: string }) => filter.Field === field)?.Value;
      asked.push(`${request.headers['x-amz-target']} ${ServiceCode} ${of('usagetype')} ${of('regionCode')}`);
      const body = answer(ServiceCode, of('usagetype'));
      response.statusCode = '__type' in body ? 400 : 200;
      response.setHeader('content-type', 'application/x-amz-json-1.1');
      response.end(JSON.stringify(body));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, asked, stop: () => server.close() };
}

/** A product twice as dear as in the shipped list, with the free tier that AWS states before it. */
function productOf(service: string, usagetype: string): string {
  const { dollars = 0 } =
    Object.values(SHIPPED_PRICES.prices).find(
      (price) => price.serviceCode === service && price.usageType === usagetype,
    ) ?? {};
  const tier = (USD: number) => ({ pricePerUnit: { USD: String(USD) } });
  const priceDimensions = { free: tier(0), paid: tier(2 * dollars) };
  return JSON.stringify({
    product: { sku: `S-${usagetype}`, attributes: { usagetype, regionCode: 'us-east-1' } },
    serviceCode: service,
    terms: { OnDemand: { term: { priceDimensions } } },
    publicationDate: '2026-11-20T00:00:00Z',
  });
}

/** A price file of AWS in which everything has become twice as dear. */
function offerOf(service: string): object {
  const own = Object.values(SHIPPED_PRICES.prices).filter(({ serviceCode }) => serviceCode === service);
  return {
    products: Object.fromEntries(
      own.map(({ usageType }, sku) => [`S${sku}`, { sku: `S${sku}`, attributes: { usagetype: usageType } }]),
    ),
    terms: {
      OnDemand: Object.fromEntries(
        own.map(({ dollars }, sku) => {
          const priceDimensions = { only: { pricePerUnit: { USD: String(2 * dollars) } } };
          return [`S${sku}`, { term: { priceDimensions } }];
        }),
      ),
    },
  };
}
