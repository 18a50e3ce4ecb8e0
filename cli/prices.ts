/** blockferry prices: which prices estimates use, and newer ones from AWS. */

import type { Command } from 'commander';
import { describePrices, type PriceList, SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { type Offers, PriceAmbiguous, refreshedPrices } from '#lib/cost/refresh.ts';
import { formatTable } from './console-text.ts';
import { writeNamedFile } from './named-file.ts';
import { PriceListRefused, PricesUnavailable, queryOffers } from './price-list-query.ts';

const AWS_PRICE_LIST = 'https://pricing.us-east-1.amazonaws.com';
/** S3's file is about 3 MB; EC2's is half a gigabyte, so that its two NAT prices stay as they are shipped. */
const FETCHED_SERVICES = ['AWSLambda', 'AmazonStates', 'AmazonS3', 'awskms', 'AWSSecretsManager', 'AmazonVPC'];
const FETCH_LIMIT_MS = 120_000;

interface RefreshOptions {
  readonly to: string;
  readonly from: string;
  readonly public?: boolean;
  readonly json?: boolean;
}

export function addPrices(program: Command): void {
  const prices = program.command('prices').description('the list prices that estimates and reports use');
  prices
    .command('show')
    .description('print every price with its service code and usage type')
    .option('--json', 'the price list as one JSON object, as estimate --prices takes it')
    .action(({ json }: Pick<RefreshOptions, 'json'>) => {
      if (json) {
        process.stdout.write(`${JSON.stringify(SHIPPED_PRICES)}\n`);
        return;
      }
      const rows = Object.values(SHIPPED_PRICES.prices).map(({ dollars, per, serviceCode, usageType }) => [
        dollars.toFixed(10).replace(/0+$/, ''),
        per,
        serviceCode,
        usageType,
      ]);
      const table = formatTable(['DOLLARS', 'PER', 'SERVICE', 'USAGE TYPE'], rows);
      process.stdout.write(`${table}\n${describePrices(SHIPPED_PRICES, new Date())}\n`);
    });
  prices
    .command('refresh')
    .description('write a file of present prices, for estimate --prices: by pricing:GetProducts, or from public files')
    .requiredOption('--to <file>', 'where the file goes')
    .option('--public', 'only the public price files, which need no credentials')
    .option('--from <url>', 'a mirror of the public price files', AWS_PRICE_LIST)
    .option('--json', 'where the prices are from, and which stayed, as one JSON object')
    .action(refresh);
}

async function refresh({ to, from, public: filesOnly, json }: RefreshOptions): Promise<void> {
  const { list, notes } = filesOnly ? await refreshedFromFiles(from) : await refreshedByBestWay(from);
  await writeNamedFile(to, `${JSON.stringify(list, undefined, 2)}\n`);
  const said = { to, region: list.region, asOf: list.asOf, notes };
  const text = [...notes, `${to}: ${describePrices(list, new Date())}`].join('\n');
  process.stdout.write(`${json ? JSON.stringify(said) : text}\n`);
}

interface Refreshed {
  readonly list: PriceList;
  /** Where the prices are from, and which ones stayed. */
  readonly notes: readonly string[];
}

/** GetProducts knows all prices; without credentials for it the files that are small enough to fetch do. */
async function refreshedByBestWay(from: string): Promise<Refreshed> {
  try {
    return refreshedFromQuery(await queryOffers(SHIPPED_PRICES));
  } catch (failure) {
    if (!(failure instanceof PriceListRefused)) throw failure;
    const { list, notes } = await refreshedFromFiles(from);
    return { list, notes: [`${failure.message}; the public price files are used instead.`, ...notes] };
  }
}

/** What the files have must be there; of the other services a price that is not exactly one stays as it was shipped. */
function refreshedFromQuery(offers: Offers): Refreshed {
  const now = new Date();
  const sure = new Map(FETCHED_SERVICES.map((service) => [service, offers.get(service)]));
  let list = refreshedPrices(SHIPPED_PRICES, sure, now);
  const notes = ['By GetProducts of the AWS Price List.'];
  for (const [service, offer] of offers) {
    if (sure.has(service)) continue;
    try {
      list = refreshedPrices(list, new Map([[service, offer]]), now);
    } catch (failure) {
      if (!(failure instanceof PriceAmbiguous)) throw failure;
      notes.push(`Prices of ${service} stay as they were shipped: ${failure.message}.`);
    }
  }
  return { list, notes };
}

async function refreshedFromFiles(from: string): Promise<Refreshed> {
  const offers = new Map<string, unknown>();
  for (const service of FETCHED_SERVICES) offers.set(service, await fetchOffer(from, service));
  const list = refreshedPrices(SHIPPED_PRICES, offers, new Date());
  const others = new Set(
    Object.values(list.prices).flatMap(({ serviceCode }) => (offers.has(serviceCode) ? [] : [serviceCode])),
  );
  return { list, notes: [`From the price files at ${from}. As they were shipped: ${[...others].join(', ')}.`] };
}

async function fetchOffer(from: string, service: string): Promise<unknown> {
  const url = `${from}/offers/v1.0/aws/${service}/current/${SHIPPED_PRICES.region}/index.json`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(FETCH_LIMIT_MS) });
    if (!answer.ok)
      throw new PricesUnavailable(`${url} answered ${answer.status}; try again, or use the shipped prices`);
    return await answer.json();
  } catch (cause) {
    if (cause instanceof PricesUnavailable) throw cause;
    throw new PricesUnavailable(`${url} cannot be fetched; the shipped prices go on working`, { cause });
  }
}
