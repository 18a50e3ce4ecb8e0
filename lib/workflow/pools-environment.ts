/** How the host's steps are told of the pools: one environment variable that holds JSON, without any secret in it. */

import * as z from 'zod/mini';
import { jsonText } from './json-text.ts';

/** Where a host is and which certificate it has to show. */
const hostEntry = z.strictObject({
  /** `https://` and the host's name or address. */
  url: z.string().check(z.regex(/^https:\/\/[^/\s]+\/?$/)),
  trust: z.discriminatedUnion('kind', [
    /** SHA-256 of the host's certificate, as 64 hexadecimal digits in lower case. */
    z.strictObject({ kind: z.literal('fingerprint'), sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)) }),
    /** PEM of the authority that signed the host's certificate. */
    z.strictObject({ kind: z.literal('authority'), pem: z.string().check(z.includes('-----BEGIN CERTIFICATE-----')) }),
  ]),
});

const poolEntry = z.strictObject({
  coordinator: hostEntry,
  /** Hosts that may be followed to when another one has become the coordinator. */
  others: z.array(hostEntry),
  /** Name of the secret that holds the pool's user name and password. */
  secretName: z.string().check(z.minLength(1)),
  /** `insecure` only for a lab whose NBD network has the purpose insecure_nbd. */
  nbd: z.enum(['tls', 'insecure']),
});

export type HostEntry = z.infer<typeof hostEntry>;
export type PoolEntry = z.infer<typeof poolEntry>;
/** By the pool's name. */
export type PoolEntries = Readonly<Record<string, PoolEntry>>;

export const poolsEnvironment = { POOLS: jsonText(z.record(z.string(), poolEntry)) };
