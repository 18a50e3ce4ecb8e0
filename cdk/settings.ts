/** What an installation can choose: blockferry.json, checked before anything is synthesized. */

import { readFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { Failure } from '#lib/failure.ts';
import { DEFAULT_READERS, HOST_CONNECTION_LIMIT, LOCK_MODES, STORAGE_CLASSES } from '#lib/workflow/backup-input.ts';
import { fleetInput } from '#lib/workflow/fleet-input.ts';
import type { HostEntry, PoolEntries } from '#lib/workflow/pools-environment.ts';
import { network } from './network-settings.ts';
import { text } from './settings-text.ts';

/** The settings cannot be used: each line of the message names a key, the value found there, and the cure. */
export class SettingsInvalid extends Failure {
  static override readonly failureName = 'SettingsInvalid';
}

interface Host {
  readonly url: string;
  readonly fingerprint?: string | undefined;
  readonly authority?: string | undefined;
}

const FINGERPRINT_CURE =
  'give the SHA-256 fingerprint that `openssl x509 -fingerprint -sha256 -noout` prints for the host certificate';

const hostShape = {
  url: text(/^https:\/\/[^/\s]+\/?$/, 'give https:// and the name or address of the host, without a path'),
  fingerprint: z.optional(text(/^([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}$|^[0-9A-Fa-f]{64}$/, FINGERPRINT_CURE)),
  authority: z.optional(text(/^-----BEGIN CERTIFICATE-----/, 'give the PEM text of the certificate authority')),
};

const onePin = z.refine<Host>(
  ({ fingerprint, authority }) => (fingerprint === undefined) !== (authority === undefined),
  'give either the fingerprint of the host certificate or the authority that signed it',
);

const pool = z
  .strictObject({
    name: text(/^[a-z0-9-]{1,40}$/, 'choose a name of lower case letters, digits and dashes'),
    /** The coordinator; the password goes only to it and to the other hosts, each known by its own certificate. */
    ...hostShape,
    otherHosts: z._default(z.array(z.strictObject(hostShape).check(onePin)), []),
    secretName: text(/^[\w/+=.@-]{1,512}$/, 'give the name of a secret that holds {"username": ..., "password": ...}'),
    nbd: z._default(z.enum(['tls', 'insecure'], 'choose tls, or insecure for a lab'), 'tls'),
  })
  .check(onePin);

const kmsKeyArn = (cure: string) => text(/^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/, cure);

/** Where a bucket is that this installation only uses; the key has to be in the region of the installation, as the bucket. */
const existingVault = z.strictObject({
  bucket: text(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'give the name of a bucket with versioning'),
  keyArn: kmsKeyArn('give the ARN of the KMS key that the bucket encrypts with by default'),
  account: text(/^\d{12}$/, 'give the number of the account that owns the bucket'),
});

const vault = z.strictObject({
  /** Instead of a bucket of its own. What its policies have to say: `npm run vault-policy`. */
  existing: z.optional(existingVault),
  bucket: z.optional(text(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'give a bucket name, or leave it out to get one')),
  /** S3 refuses every request if another account owns the bucket; `any` is for servers that know no accounts. */
  owner: z._default(
    z.enum(['this-account', 'any'], 'choose this-account, or any for a server without accounts'),
    'this-account',
  ),
  prefix: z._default(text(/^$|^[\w./-]*[\w.-]\/$/, 'end the prefix in a slash, or leave it out'), ''),
  storageClass: z._default(z.enum(STORAGE_CLASSES, 'choose one of the four classes'), 'STANDARD'),
  /**
   * Keeps what a restore point needs from being removed for as long as its policy keeps the point. Under governance who
   * has a right of its own may lift a lock; under compliance nobody can, the owner of the account included.
   */
  objectLock: z.optional(z.strictObject({ mode: z.enum(LOCK_MODES, 'choose governance or compliance') })),
  /** Signs the heads of ledgers with a KMS key of spec ECC_NIST_P256; one is made when none is named. */
  signing: z.optional(z.strictObject({ keyArn: z.optional(kmsKeyArn('give the ARN of a key for SIGN_VERIFY')) })),
});

const policy = z.strictObject({
  name: text(/^[A-Za-z0-9-]{1,40}$/, 'choose a name of letters, digits and dashes'),
  /** Which VMs of which pool, with how many readers, and what is left out. */
  ...z.omit(fleetInput, { policy: true }).shape,
  at: text(/^([01]\d|2[0-3]):[0-5]\d$/, 'give the time of day as HH:MM'),
  timezone: z._default(text(/^[A-Za-z_]+(\/[A-Za-z_+-]+)*$/, 'give a zone of the tz database'), 'Etc/UTC'),
});

const settings = z
  .strictObject({
    /** For editors; nothing is read from there. */
    $schema: z.optional(z.string()),
    name: z._default(text(/^[A-Za-z][A-Za-z0-9-]{0,30}$/, 'choose a name of letters, digits and dashes'), 'blockferry'),
    pools: z.array(pool).check(z.minLength(1, 'describe at least one pool')),
    /** Parallel readers of a run that does not say otherwise. */
    readers: z._default(
      z
        .int('give a whole number of readers')
        .check(z.gte(1, 'give 1 to 16 readers'), z.lte(HOST_CONNECTION_LIMIT, 'give 1 to 16 readers')),
      DEFAULT_READERS,
    ),
    vault: z._default(vault, { owner: 'this-account', prefix: '', storageClass: 'STANDARD' }),
    network: z.optional(network),
    policies: z._default(z.array(policy), []),
    /** When leftovers are swept and restore points are verified: best some hours after the last backup began. */
    upkeep: z._default(
      z.strictObject({
        at: z._default(text(/^([01]\d|2[0-3]):[0-5]\d$/, 'give the time of day as HH:MM'), '12:00'),
        timezone: z._default(text(/^[A-Za-z_]+(\/[A-Za-z_+-]+)*$/, 'give a zone of the tz database'), 'Etc/UTC'),
      }),
      { at: '12:00', timezone: 'Etc/UTC' },
    ),
    /** Hours after which a VM without a new restore point is an alarm: a day, and two hours for the run itself. */
    objectiveHours: z._default(
      z.int('give whole hours').check(z.gte(1, 'give at least one hour'), z.lte(336, 'give at most two weeks')),
      26,
    ),
    /** Mail addresses that alarms are sent to; each has to confirm once. */
    notify: z._default(z.array(text(/^[^@\s]+@[^@\s]+$/, 'give mail addresses')), []),
  })
  .check(
    z.refine(({ pools }) => new Set(pools.map(({ name }) => name)).size === pools.length, {
      path: ['pools'],
      error: 'give every pool its own name',
    }),
    z.refine(
      ({ vault: { existing, signing } }) =>
        existing === undefined || signing === undefined || signing.keyArn !== undefined,
      {
        path: ['vault', 'signing'],
        error: 'name the keyArn of a signing key: none is made for a vault that exists',
      },
    ),
    z.refine(({ vault: { existing, bucket } }) => existing === undefined || bucket === undefined, {
      path: ['vault'],
      error: 'give either the name of a bucket to be made or one that exists, not both',
    }),
    z.refine(({ policies }) => new Set(policies.map(({ name }) => name)).size === policies.length, {
      path: ['policies'],
      error: 'give every policy its own name',
    }),
    z.refine(
      ({ pools, policies }) =>
        policies.every(({ pool }) =>
          pool === undefined ? pools.length === 1 : pools.some(({ name }) => name === pool),
        ),
      { path: ['policies'], error: 'name in every policy one of the pools; it may be left out if there is only one' },
    ),
    // Lambda allows 4 KB of environment for a function, names included.
    z.refine(({ pools }) => Buffer.byteLength(JSON.stringify(poolEntriesOf(pools))) <= MAX_POOLS_BYTES, {
      path: ['pools'],
      error: 'pin hosts by fingerprint instead of authority, or install Blockferry once for each group of pools',
    }),
  );

const MAX_POOLS_BYTES = 3_500;

export type Settings = z.output<typeof settings>;
export type VaultSettings = Settings['vault'];
export type PolicySettings = z.output<typeof policy>;

/** The settings as a JSON schema, from which editors complete and check blockferry.json. */
export function settingsSchema(): object {
  return z.toJSONSchema(settings, { io: 'input' });
}

/** Reads a settings file. Throws SettingsInvalid. */
export function readSettings(path: string): Settings {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new SettingsInvalid(
      `${path} cannot be read; copy blockferry.example.json to it, or name another file in BLOCKFERRY_SETTINGS`,
      {
        cause,
      },
    );
  }
  try {
    return parseSettings(JSON.parse(content), path);
  } catch (cause) {
    if (cause instanceof SettingsInvalid) throw cause;
    throw new SettingsInvalid(`${path} is not JSON; the position of the first mistake is in the cause`, { cause });
  }
}

/** `source` is what the message names as the place of the mistakes. */
export function parseSettings(value: unknown, source: string): Settings {
  const parsed = settings.safeParse(value);
  if (parsed.success) return parsed.data;
  const mistakes = parsed.error.issues.map((issue) => `  ${mistake(issue, value)}`);
  throw new SettingsInvalid(`${source} cannot be used:\n${mistakes.join('\n')}`);
}

/** How long points are kept, by the policy that they belong to; points of other policies stay. */
export function retentionOf(policies: Settings['policies']) {
  return Object.fromEntries(policies.flatMap(({ name, retention }) => (retention ? [[name, retention]] : [])));
}

/** The pools as functions get them: by name, with the one way to know each host's certificate. */
export function poolEntriesOf(pools: Settings['pools']): PoolEntries {
  return Object.fromEntries(
    pools.map(({ name, otherHosts, secretName, nbd, ...coordinator }) => [
      name,
      { coordinator: hostEntry(coordinator), others: otherHosts.map(hostEntry), secretName, nbd },
    ]),
  );
}

function hostEntry({ url, fingerprint, authority = '' }: Host): HostEntry {
  if (fingerprint === undefined) return { url, trust: { kind: 'authority', pem: authority } };
  return { url, trust: { kind: 'fingerprint', sha256: fingerprint.replaceAll(':', '').toLowerCase() } };
}

function mistake(issue: z.core.$ZodIssue, root: unknown): string {
  const key = issue.path.map(String).join('.') || 'the file';
  if (issue.code === 'unrecognized_keys') {
    return `${key} has the unknown key ${issue.keys.join(', ')}; correct its spelling or remove it`;
  }
  return `${key} is ${JSON.stringify(valueAt(root, issue.path)) ?? 'missing'}; ${issue.message}`;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}
