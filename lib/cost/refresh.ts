/** Newer prices for the same list, from the files that AWS publishes for everybody. */

import * as z from 'zod/mini';
import { Failure } from '#lib/failure.ts';
import { type Price, type PriceList, parsePrices } from './prices.ts';

/** AWS's price file has not exactly one price where the list needs one. */
export class PriceAmbiguous extends Failure {
  static override readonly failureName = 'PriceAmbiguous';
}

const term = z.object({
  priceDimensions: z.record(z.string(), z.object({ pricePerUnit: z.object({ USD: z.string() }) })),
});

/** The part of an offer file of the AWS Price List that is used. */
const offer = z.object({
  products: z.record(
    z.string(),
    z.object({ sku: z.string(), attributes: z.object({ usagetype: z.optional(z.string()) }) }),
  ),
  terms: z.object({ OnDemand: z.record(z.string(), z.record(z.string(), term)) }),
});

/** Offers by service code, as JSON.parse gives them. A service that is left out keeps its prices. */
export type Offers = ReadonlyMap<string, unknown>;

/**
 * The list with the prices of the offers. Exactly one price above zero must fit each usage type: the first tier that is
 * paid; anything else throws PriceAmbiguous, because a guessed price is worse than an old one.
 */
export function refreshedPrices(old: PriceList, offers: Offers, today: Date): PriceList {
  const prices = Object.fromEntries(
    Object.entries(old.prices).map(([name, price]) => {
      const found = offers.get(price.serviceCode);
      return [name, found === undefined ? price : { ...price, dollars: firstTier(found, price) }];
    }),
  );
  return parsePrices({ ...old, asOf: today.toISOString().slice(0, 10), prices }, 'the refreshed list');
}

function firstTier(value: unknown, { serviceCode, usageType }: Price): number {
  const parsed = offer.safeParse(value);
  if (!parsed.success) {
    throw new PriceAmbiguous(`the price file of ${serviceCode} is not one of the AWS Price List`, {
      cause: parsed.error,
    });
  }
  const { products, terms } = parsed.data;
  const skus = Object.values(products).filter(({ attributes }) => attributes.usagetype === usageType);
  const [only, ...others] = skus;
  if (only === undefined || others.length > 0) {
    throw new PriceAmbiguous(
      `${serviceCode} has ${skus.length} products of usage type ${usageType}; exactly one is needed`,
    );
  }
  const tiers = Object.values(terms.OnDemand[only.sku] ?? {})
    .flatMap(({ priceDimensions }) => Object.values(priceDimensions))
    .map(({ pricePerUnit }) => Number(pricePerUnit.USD))
    .filter((dollars) => dollars > 0);
  if (tiers.length === 0) throw new PriceAmbiguous(`${serviceCode} ${usageType} has no price above zero`);
  // Tiers get cheaper with use; a small site is in the first.
  return Math.max(...tiers);
}
