/**
 * Every file of the product that takes bytes apart which somebody else wrote: the names under which it is fuzzed, or why
 * it need not be. A file that is not here fails `fuzz.test.ts`.
 */

/** What the file does with such bytes is one of these calls. */
export const PARSES =
  /JSON\.parse|safeParse|\b\w+\.parse\(|parseDocument\(|parseReply\(|\.readU?Int\d|\.readBigU?Int|[dD]ecompress|new Deserializer|X509Certificate\(|create(?:Public|Private)Key\(|\.exec\(|\.match(?:All)?\(|, 'base64'\)/;

const DIGESTS = ['document-digest', 'ledger-entry'];
const FRAMES = ['frame', 'section-frame'];
/** A key that does not fit the pattern is passed over; one that does gives fixed digits and letters. */
const KEY_PATTERN = 'an anchored pattern over a key of the vault';
const OWN = 'its own bytes, or those that another parser here has passed';

export const PARSERS: Readonly<Record<string, readonly string[] | string>> = {
  'lib/backup/call-records.ts': ['call-record'],
  'lib/backup/connection-document.ts': ['connection'],
  'lib/backup/lease.ts': ['lease'],
  'lib/backup/reader-slots.ts': ['reader-slot'],
  'lib/backup/run-lock.ts': ['run-plan'],
  'lib/backup/run-record.ts': ['run-record'],
  'lib/cost/closings.ts': ['point-closing'],
  'lib/cost/prices.ts': ['prices'],
  'lib/cost/refresh.ts': ['price-file'],
  'lib/credentials/secrets-manager.ts': ['credentials'],
  'lib/format/document.ts': DIGESTS,
  'lib/format/frame.ts': FRAMES,
  'lib/format/manifest.ts': ['manifest-header'],
  'lib/format/pack-index.ts': ['pack-index'],
  'lib/format/pack.ts': ['pack-tail'],
  'lib/format/receipt.ts': ['receipt'],
  'lib/format/section.ts': ['manifest-section'],
  'lib/format/grain-bitmap.ts': ['grain-bitmap'],
  'lib/host/certificate-expiry.ts': ['connection'],
  'lib/host/dead-uploads.ts': KEY_PATTERN,
  'lib/host/run-census.ts': KEY_PATTERN,
  'lib/host/sweep-result.ts': ['sweep-result'],
  'lib/nbd-server/negotiation.ts': ['nbd-server'],
  'lib/nbd-server/protocol.ts': ['nbd-server'],
  'lib/nbd/certificate.ts': ['nbd-certificate'],
  'lib/nbd/transport.ts': 'a certificate that the TLS handshake has read already',
  'lib/nbd/wire.ts': ['nbd-handshake', 'nbd-replies'],
  'lib/observe/first-failure.ts': ['kept-failure'],
  'lib/observe/late-vms.ts': KEY_PATTERN,
  'lib/report/coverage.ts': ['vm-point'],
  'lib/report/history.ts': KEY_PATTERN,
  'lib/report/kept-inventories.ts': ['pool-inventory'],
  'lib/report/verified.ts': KEY_PATTERN,
  'lib/restore/partitions.ts': ['partitions'],
  'lib/restore/points.ts': ['vm-point', 'vault-keys'],
  'lib/restore/restore-marks.ts': ['restore-marks'],
  'lib/restore/unpacking-threads.ts': FRAMES,
  'lib/restore/verified-level.ts': ['verification'],
  'lib/restore/vhd-layout.ts': OWN,
  'lib/retention/prune-vms.ts': KEY_PATTERN,
  'lib/signing/pem-signer.ts': ['pem-keys'],
  'lib/store/s3-checksum.ts': 'four bytes of base64, compared with a length before they are read',
  'lib/store/s3-client.ts': 'a header that is counted and decides nothing',
  'lib/store/s3-failures.ts': ['store-errors'],
  'lib/vault/expiries.ts': ['expiry'],
  'lib/vault/ledger.ts': ['ledger-entry', 'vault-keys'],
  'lib/vault/run-documents.ts': ['run-plan', 'receipt', 'grain-bitmap'],
  'lib/vault/unpack-frames.ts': FRAMES,
  'lib/vault/vault-document.ts': ['vault-document'],
  'lib/verify/audit-signatures.ts': ['signature', 'pem-keys'],
  'lib/verify/audit.ts': ['verification'],
  'lib/verify/verify-disk.ts': FRAMES,
  'lib/workflow/json-text.ts': ['step-input'],
  'lib/workflow/policy-summary.ts': OWN,
  'lib/xapi/allocated-area.ts': OWN,
  'lib/xapi/api-call.ts': ['xapi-call'],
  'lib/xapi/cbt.ts': ['changed-blocks'],
  'lib/xapi/certificate-pin.ts': ['addresses'],
  'lib/xapi/pinned-agent.ts': ['addresses'],
  'lib/xapi/shown-certificate.ts': 'a certificate that the TLS handshake has read already',
  'lib/xapi/stream-put.ts': OWN,
  'lib/xapi/task.ts': ['xapi-task-result', 'xapi-records'],
  'lib/xapi/value-tree.ts': ['value-tree'],
  'lib/xapi/vhd-table.ts': ['vhd-table'],
  'lib/xapi/xmlrpc-codec.ts': ['xmlrpc-reply', 'xapi-task-result'],
};
