/** What AWS charges: a dated snapshot of list prices, each with the names by which the AWS Price List knows it. */

import * as z from 'zod/mini';
import { Failure } from '#lib/failure.ts';
import snapshot from './price-snapshot.json' with { type: 'json' };

/** A file of prices cannot be used. */
export class PricesInvalid extends Failure {
  static override readonly failureName = 'PricesInvalid';
}

const PRICE_NAMES = [
  'lambdaArmGbSecond',
  'lambdaX86GbSecond',
  'lambdaRequest',
  'stateTransition',
  'standardMonth',
  'standardPut',
  'standardGet',
  'tieringFrequentMonth',
  'tieringInfrequentMonth',
  'tieringArchiveMonth',
  'tieringMonitoring',
  'infrequentMonth',
  'infrequentPut',
  'infrequentGet',
  'infrequentRetrieval',
  'glacierInstantMonth',
  'glacierInstantPut',
  'glacierInstantGet',
  'glacierInstantRetrieval',
  'glacierInstantTransition',
  'kmsKeyMonth',
  'kmsRequest',
  'secretMonth',
  'endpointHour',
  'vpnHour',
  'transitGatewayHour',
  'transitGatewayGib',
  'natHour',
  'natGib',
  'internetOutGib',
  'directConnectOutGib',
  'logGib',
  'alarmMonth',
] as const;

const price = z.strictObject({
  /** US dollars for one unit, on demand, first paid tier. */
  dollars: z.number().check(z.nonnegative()),
  per: z.string(),
  serviceCode: z.string(),
  usageType: z.string(),
});

const priceList = z.strictObject({
  /** The day on which the prices were last looked up. */
  asOf: z.iso.date(),
  region: z.string(),
  prices: z.record(z.enum(PRICE_NAMES), price),
});

export type PriceName = (typeof PRICE_NAMES)[number];
export type Price = Readonly<z.infer<typeof price>>;
export type PriceList = Readonly<z.infer<typeof priceList>>;

/** Throws PricesInvalid; `source` is what the message names. */
export function parsePrices(value: unknown, source: string): PriceList {
  const parsed = priceList.safeParse(value);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the whole'}: ${message}`);
  throw new PricesInvalid(`${source} is not a list of prices (${places.join('; ')}); write one with prices refresh`);
}

/** The snapshot that this version brings along. */
export const SHIPPED_PRICES: PriceList = parsePrices(snapshot, 'price-snapshot.json');

const DAY_MS = 86_400_000;
/** AWS changes a price of this list less than once a year; a quarter is soon enough to look again. */
const STALE_DAYS = 92;

/** `us-east-1 list prices of 2026-10-01 (51 days old), free tiers not counted`. */
export function describePrices({ asOf, region }: PriceList, now: Date): string {
  const ageDays = Math.max(0, Math.floor((now.getTime() - new Date(asOf).getTime()) / DAY_MS));
  const advice = ageDays > STALE_DAYS ? '; refresh them with blockferry prices refresh' : '';
  return `${region} list prices of ${asOf} (${ageDays} days old), free tiers not counted${advice}`;
}

/** A sum with the multiplication that led to it, so that a reader can repeat it. */
export interface Charge {
  readonly dollars: number;
  readonly arithmetic: string;
}

/** `count` units of a price. */
export function charge({ prices }: PriceList, name: PriceName, count: number): Charge {
  const { dollars, per } = prices[name];
  return {
    dollars: dollars * count,
    // Put into words only when somebody reads it: a report adds up a million charges and shows none of them.
    get arithmetic() {
      return `${figure(count)} ${per} x $${plain(dollars)}`;
    },
  };
}

export function together(...charges: readonly Charge[]): Charge {
  return {
    dollars: charges.reduce((sum, { dollars }) => sum + dollars, 0),
    get arithmetic() {
      return charges.map(({ arithmetic }) => arithmetic).join(' + ');
    },
  };
}

/** Made once: a formatter takes longer to make than everything else that a charge needs. */
const FINE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 2 });
const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const figure = (count: number) => (count < 100 ? FINE : WHOLE).format(count);
/** Never as 5e-6. */
const plain = (dollars: number) => dollars.toFixed(10).replace(/0+$/, '').replace(/\.$/, '');
