/** How the host's steps are told of the pools: one environment variable that holds JSON, without any secret in it. */

import { z } from 'zod/mini';

/** How to reach a pool and how to know it; the named secret holds its user name and password. */
export const poolEntry = z.strictObject({
  /** `https://` and the address of the pool's coordinator. */
  url: z.string().check(z.regex(/^https:\/\/[^/]+\/?$/)),
  trust: z.discriminatedUnion('kind', [
    /** SHA-256 of the host's certificate, as 64 hexadecimal digits in lower case. */
    z.strictObject({ kind: z.literal('fingerprint'), sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)) }),
    /** PEM of the authority that signed the host's certificate. */
    z.strictObject({ kind: z.literal('authority'), pem: z.string().check(z.includes('-----BEGIN CERTIFICATE-----')) }),
  ]),
  secretName: z.string().check(z.minLength(1)),
});

export type PoolEntry = z.infer<typeof poolEntry>;

export const poolEntries = z.record(z.string(), poolEntry);

export const poolsEnvironment = {
  POOLS: z.pipe(
    z.pipe(
      z.string(),
      z.transform((text) => parsedOrUndefined(text)),
    ),
    poolEntries,
  ),
};

/** Undefined never matches the schema that follows, so that broken JSON is reported like any other wrong value. */
function parsedOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
