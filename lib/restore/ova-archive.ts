/** The tar archive of one file in which a host exports and imports a VM's metadata. */

import { DamagedObject } from '#lib/format/failures.ts';

const BLOCK_BYTES = 512;
const FILE_NAME = 'ova.xml';
/** Field of the header: offset and length, by the ustar format of POSIX.1. */
const NAME = { start: 0, end: 100 } as const;
const SIZE = { start: 124, end: 136 } as const;
const CHECKSUM = { start: 148, end: 156 } as const;
const MAGIC_START = 257;

/** The text of `ova.xml`. Throws DamagedObject for an archive that does not begin with the whole of that file. */
export function readOvaArchive(archive: Buffer): string {
  const name = archive.toString('latin1', NAME.start, NAME.end).replace(/\0.*$/s, '');
  const bytes = Number.parseInt(archive.toString('latin1', SIZE.start, SIZE.end), 8);
  const content = archive.subarray(BLOCK_BYTES, BLOCK_BYTES + bytes);
  if (name === FILE_NAME && content.length === bytes) return content.toString('utf8');
  throw new DamagedObject(
    `The metadata of the VM has ${archive.length} bytes that do not begin with ${FILE_NAME}; restore its disks alone`,
  );
}

/** The archive with another text: header, content up to a whole block, two empty blocks. */
export function writeOvaArchive(document: string): Buffer {
  const content = Buffer.from(document);
  const header = Buffer.alloc(BLOCK_BYTES);
  header.write(FILE_NAME, NAME.start);
  // Mode, owner and group, which nobody looks at but a reader may insist to find.
  header.write('0000644\u00000000000\u00000000000\u0000', NAME.end);
  header.write(`${content.length.toString(8).padStart(11, '0')}\u0000`, SIZE.start);
  header.write('00000000000\u0000', SIZE.end);
  // The checksum counts its own field as spaces.
  header.fill(' ', CHECKSUM.start, CHECKSUM.end);
  header.write('0', CHECKSUM.end);
  header.write('ustar\u000000', MAGIC_START);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, CHECKSUM.start);
  const padding = Buffer.alloc((BLOCK_BYTES - (content.length % BLOCK_BYTES)) % BLOCK_BYTES);
  return Buffer.concat([header, content, padding, Buffer.alloc(2 * BLOCK_BYTES)]);
}
