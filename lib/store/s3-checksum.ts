/** CRC32 and ETag as S3 writes them in headers. */

const CRC32_BYTES = 4;

/** Big-endian, base64. */
export function crc32Header(crc32: number): string {
  const bytes = Buffer.alloc(CRC32_BYTES);
  bytes.writeUInt32BE(crc32);
  return bytes.toString('base64');
}

/** The CRC32 of the whole object; undefined when the store keeps none, or only one made of the parts' checksums (`-N`). */
export function crc32OfWhole(answer: {
  ChecksumCRC32?: string | undefined;
  ChecksumType?: string | undefined;
}): number | undefined {
  if (answer.ChecksumCRC32 === undefined || answer.ChecksumType === 'COMPOSITE') return undefined;
  const bytes = Buffer.from(answer.ChecksumCRC32, 'base64');
  return bytes.length === CRC32_BYTES && !answer.ChecksumCRC32.includes('-') ? bytes.readUInt32BE() : undefined;
}

/** ETags come in quotes, which some stores do not take back. */
export function unquoted(etag: string | undefined): string {
  return (etag ?? '').replaceAll('"', '');
}
