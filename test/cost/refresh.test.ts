import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { PriceAmbiguous, refreshedPrices } from '#lib/cost/refresh.ts';

const TODAY = new Date('2027-01-02T03:04:05Z');

/** An offer file as AWS publishes them: products by SKU, tiers below the terms. */
function offerOf(products: readonly { sku: string; usagetype: string; tiers: readonly string[] }[]) {
  return {
    products: Object.fromEntries(products.map(({ sku, usagetype }) => [sku, { sku, attributes: { usagetype } }])),
    terms: {
      OnDemand: Object.fromEntries(
        products.map(({ sku, tiers }) => {
          const priceDimensions = Object.fromEntries(
            tiers.map((USD, index) => [`${sku}.${index}`, { pricePerUnit: { USD } }]),
          );
          return [sku, { [`${sku}.term`]: { priceDimensions } }];
        }),
      ),
    },
  };
}

const step = { sku: 'A1', usagetype: 'USE1-StateTransition', tiers: ['0.0000000000', '0.0000260000'] };
const refreshed = (products: Parameters<typeof offerOf>[0]) =>
  refreshedPrices(SHIPPED_PRICES, new Map([['AmazonStates', offerOf(products)]]), TODAY);

describe('refreshing prices', () => {
  test('takes the first tier that is paid, the day, and leaves other services as they are', () => {
    const list = refreshed([step, { sku: 'B2', usagetype: 'other', tiers: ['9'] }]);
    assert.equal(list.prices.stateTransition.dollars, 0.000026);
    assert.equal(list.asOf, '2027-01-02');
    assert.deepEqual(list.prices.standardPut, SHIPPED_PRICES.prices.standardPut);
  });

  test('refuses a usage type of which there is none, more than one, or only free use', () => {
    for (const products of [[], [step, { ...step, sku: 'A2' }], [{ ...step, tiers: ['0'] }]]) {
      assert.throws(() => refreshed(products), PriceAmbiguous);
    }
  });

  test('refuses a file that is something else', () => {
    assert.throws(
      () => refreshedPrices(SHIPPED_PRICES, new Map([['AmazonStates', { html: 'maintenance' }]]), TODAY),
      PriceAmbiguous,
    );
  });
});
