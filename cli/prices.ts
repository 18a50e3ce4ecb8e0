/** blockferry prices: which prices estimates use, and newer ones from AWS. */

import type { Command } from 'commander';
import { describePrices, SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { type Offers, refreshedPrices } from '#lib/cost/refresh.ts';
import { Failure } from '#lib/failure.ts';
import { formatTable } from './console-text.ts';
import { writeNamedFile } from './named-file.ts';

/** The price files of AWS cannot be fetched. */
export class PricesUnavailable extends Failure {
  static override readonly failureName = 'PricesUnavailable';
  static override readonly transient = true;
}

const AWS_PRICE_LIST = 'https://pricing.us-east-1.amazonaws.com';
/** S3's file is about 3 MB; EC2's is half a gigabyte, so that its two NAT prices stay as they are shipped. */
const FETCHED_SERVICES = ['AWSLambda', 'AmazonStates', 'AmazonS3', 'awskms', 'AWSSecretsManager', 'AmazonVPC'] as const;
const FETCH_LIMIT_MS = 120_000;

interface RefreshOptions {
  readonly to: string;
  readonly from: string;
}

export function addPrices(program: Command): void {
  const prices = program.command('prices').description('the list prices that estimates and reports use');
  prices
    .command('show')
    .description('print every price with its service code and usage type')
    .action(() => {
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
    .description('write a file of present prices, for estimate --prices; no credentials are needed')
    .requiredOption('--to <file>', 'where the file goes')
    .option('--from <url>', 'a mirror of the AWS Price List', AWS_PRICE_LIST)
    .action(refresh);
}

async function refresh({ to, from }: RefreshOptions): Promise<void> {
  const offers = new Map<string, unknown>();
  for (const service of FETCHED_SERVICES) offers.set(service, await fetchOffer(from, service));
  const list = refreshedPrices(SHIPPED_PRICES, offers satisfies Offers, new Date());
  await writeNamedFile(to, `${JSON.stringify(list, undefined, 2)}\n`);
  process.stdout.write(`${to}: ${describePrices(list, new Date())}\n`);
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
