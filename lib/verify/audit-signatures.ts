/** What the signatures of a disk's ledger prove to somebody who holds the public keys. */

import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { Failure } from '#lib/failure.ts';
import { parseDocument } from '#lib/format/document.ts';
import { DamagedObject } from '#lib/format/failures.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { type Signature, signature, signedMessage } from '#lib/format/signature.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { DiskId } from '#lib/units.ts';
import type { StoredEntry } from '#lib/vault/ledger.ts';
import { findingOf } from './failures-as-findings.ts';

/** A file that was given as a public key holds none that could have signed a ledger. */
export class PublicKeyUnusable extends Failure {
  static override readonly failureName = 'PublicKeyUnusable';
}

/** Throws PublicKeyUnusable for what is no public key on P-256 in PEM form. */
export function publicKeyOf(pem: string, where: string): KeyObject {
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  } catch (cause) {
    throw new PublicKeyUnusable(`${where} holds no public key in PEM form; openssl ec -pubout writes one`, { cause });
  }
  throw new PublicKeyUnusable(`${where} holds a key of another kind than EC on P-256, with which ledgers are signed`);
}

export interface SignedDisk {
  readonly disk: DiskId;
  /** Number of the newest entry whose signature one of the keys confirms; it speaks for all entries before it too. */
  readonly seq: number;
  /** The key as the signer names it. */
  readonly key: string;
  /** How many entries carry a signature that was confirmed. */
  readonly signatures: number;
}

interface SignatureAudit {
  /** Undefined when no signature was confirmed. */
  readonly signed: SignedDisk | undefined;
  readonly objects: number;
  readonly findings: readonly { readonly key: string; readonly what: string }[];
}

/** Confirms every signature of a disk, and that the newest entry has one. */
export async function auditSignatures(
  store: ObjectStore,
  { disk, entries }: { readonly disk: DiskId; readonly entries: readonly StoredEntry[] },
  publicKeys: readonly KeyObject[],
): Promise<SignatureAudit> {
  const confirmed: Signature[] = [];
  const findings: { key: string; what: string }[] = [];
  let objects = 0;
  for await (const { key } of store.list(vaultKeys.signatures(disk))) {
    objects += 1;
    const what = await findingOf(async () => {
      const document = parseDocument(signature, await store.get(key), key);
      if (vaultKeys.signature(document.disk, document.seq) !== key) {
        throw new DamagedObject(`is of entry ${document.seq} of disk ${document.disk}: it was moved`);
      }
      confirm(document, entries, publicKeys);
      confirmed.push(document);
    });
    if (what !== undefined) findings.push({ key, what });
  }
  const newest = confirmed.at(-1);
  const head = entries.at(-1)?.entry.seq ?? 0;
  if (head > (newest?.seq ?? 0)) {
    const since = newest === undefined ? 'no entry' : `only entry ${newest.seq}`;
    findings.push({
      key: vaultKeys.ledgerEntry(disk, head),
      what: `is not signed; ${since} of this ledger is, by the keys given`,
    });
  }
  const signed = newest && { disk, seq: newest.seq, key: newest.key, signatures: confirmed.length };
  return { signed, objects, findings };
}

function confirm(document: Signature, entries: readonly StoredEntry[], keys: readonly KeyObject[]): void {
  const { seq, entrySha256, key } = document;
  if (entries[seq - 1]?.sha256 !== entrySha256) {
    throw new DamagedObject(`signs another entry ${seq} than the ledger holds: the ledger was changed or replaced`);
  }
  const [message, bytes] = [signedMessage(document), Buffer.from(document.signature, 'base64')];
  if (!keys.some((publicKey) => verify('sha256', message, publicKey, bytes))) {
    throw new DamagedObject(`names key ${key}, and none of the public keys given confirms it`);
  }
}
