/** Prices by GetProducts of the AWS Price List, in the form of the offer files that AWS publishes for everybody. */

import { GetProductsCommand, PricingClient } from '@aws-sdk/client-pricing';
import * as z from 'zod/mini';
import type { PriceList } from '#lib/cost/prices.ts';
import type { Offers } from '#lib/cost/refresh.ts';
import { Failure } from '#lib/failure.ts';

/** There are no credentials, or they do not allow pricing:GetProducts. */
export class PriceListRefused extends Failure {
  static override readonly failureName = 'PriceListRefused';
}

/** AWS cannot be reached, or does not answer now. */
export class PricesUnavailable extends Failure {
  static override readonly failureName = 'PricesUnavailable';
  static override readonly transient = true;
}

/** The API answers in us-east-1, whatever the region whose prices are asked for. */
const API_REGION = 'us-east-1';
/** A product more or less would make a price ambiguous; so many cannot be meant by one usage type. */
const MOST_PRODUCTS = 10;
const ATTEMPTS = 5;
/** A page of prices takes a second or two; whoever asks looks at a terminal meanwhile. */
const REQUEST_TIMEOUT_MS = 20_000;
/** Errors by which AWS says who may not ask. */
const REFUSALS: ReadonlySet<string> = new Set([
  'AccessDeniedException',
  'CredentialsProviderError',
  'ExpiredTokenException',
  'InvalidClientTokenId',
  'UnrecognizedClientException',
]);

const product = z.object({
  product: z.object({ sku: z.string(), attributes: z.object({ usagetype: z.string() }) }),
  terms: z.object({ OnDemand: z.optional(z.record(z.string(), z.unknown())) }),
});

/** One request for each price of the list. Throws PriceListRefused and PricesUnavailable. */
export async function queryOffers({ prices, region }: PriceList): Promise<Offers> {
  const client = new PricingClient({
    region: API_REGION,
    maxAttempts: ATTEMPTS,
    requestHandler: {
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    },
  });
  try {
    return await offersOf(client, { prices, region });
  } finally {
    client.destroy();
  }
}

async function offersOf(
  client: PricingClient,
  { prices, region }: Pick<PriceList, 'prices' | 'region'>,
): Promise<Offers> {
  const offers = new Map<string, { products: Record<string, unknown>; terms: { OnDemand: Record<string, unknown> } }>();
  for (const { serviceCode, usageType } of Object.values(prices)) {
    const offer = offers.get(serviceCode) ?? { products: {}, terms: { OnDemand: {} } };
    offers.set(serviceCode, offer);
    for (const found of await productsOf(client, { serviceCode, usageType, region })) {
      offer.products[found.product.sku] = found.product;
      offer.terms.OnDemand[found.product.sku] = found.terms.OnDemand ?? {};
    }
  }
  return offers;
}

async function productsOf(
  client: PricingClient,
  asked: { readonly serviceCode: string; readonly usageType: string; readonly region: string },
): Promise<z.infer<typeof product>[]> {
  const match = (Field: string, Value: string) => ({ Type: 'TERM_MATCH' as const, Field, Value });
  const command = new GetProductsCommand({
    ServiceCode: asked.serviceCode,
    Filters: [match('usagetype', asked.usageType), match('regionCode', asked.region)],
    FormatVersion: 'aws_v1',
    MaxResults: MOST_PRODUCTS,
  });
  try {
    const { PriceList: found = [] } = await client.send(command);
    return found.map((text: unknown) => product.parse(JSON.parse(String(text))));
  } catch (cause) {
    if (cause instanceof Error && REFUSALS.has(cause.name)) {
      throw new PriceListRefused(`AWS does not answer pricing:GetProducts with these credentials (${cause.name})`, {
        cause,
      });
    }
    throw new PricesUnavailable('AWS does not answer pricing:GetProducts; try again, or say --public', { cause });
  }
}
