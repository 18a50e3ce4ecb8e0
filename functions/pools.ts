/** The pools that a function's environment describes, as the use cases ask for them. */

import { type PoolSettings, type Pools, UnknownPool } from '#lib/backup/host-access.ts';
import { type CredentialReader, secretsManagerCredentials } from '#lib/credentials/secrets-manager.ts';
import { parseSha256 } from '#lib/units.ts';
import type { HostEntry, PoolEntries, PoolEntry } from '#lib/workflow/pools-environment.ts';
import type { XapiHost } from '#lib/xapi/pinned-agent.ts';
import type { Scrubber } from './scrubber.ts';

/** The pools of the environment; the scrubber learns every password that is read. */
export function pools(environment: { POOLS: PoolEntries }, scrubber: Scrubber): Pools {
  const read = secretsManagerCredentials();
  return poolsOf(environment.POOLS, async (secretName, options) => {
    const credential = await read(secretName, options);
    scrubber.remember(credential.password);
    return credential;
  });
}

/** A credential is read when a session has to be opened, not before: most calls go on with one that is open. */
export function poolsOf(entries: PoolEntries, read: CredentialReader): Pools {
  const pools = new Map(Object.entries(entries));
  const names = [...pools.keys()];
  return {
    names,
    named(name) {
      const chosen = name ?? (names.length === 1 ? names[0] : undefined);
      const entry = chosen === undefined ? undefined : pools.get(chosen);
      if (chosen === undefined || entry === undefined) {
        const asked = name === undefined ? 'the request names no pool' : `there is no pool ${JSON.stringify(name)}`;
        throw new UnknownPool(`${asked}; the settings describe ${names.join(', ')}: name one of them`);
      }
      return poolSettings(chosen, entry, read);
    },
  };
}

function poolSettings(name: string, entry: PoolEntry, read: CredentialReader): PoolSettings {
  return {
    name,
    host: xapiHost(entry.coordinator),
    redirects: entry.others.map(xapiHost),
    nbd: entry.nbd,
    credentials: ({ signal }) => read(entry.secretName, { signal }),
  };
}

function xapiHost({ url, trust }: HostEntry): XapiHost {
  switch (trust.kind) {
    case 'fingerprint':
      return { url, pin: { kind: 'fingerprint', sha256: parseSha256(trust.sha256) } };
    case 'authority':
      return { url, pin: { kind: 'authority', pem: trust.pem, servername: new URL(url).hostname } };
  }
}
