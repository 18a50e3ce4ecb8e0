/** Tar archives of one small file, which is what VM metadata travels in. */

const BLOCK_BYTES = 512;

/** The archive: header, content padded to a block, two zero blocks. */
export function tarOf(name: string, content: Buffer): Buffer {
  const padding = Buffer.alloc((BLOCK_BYTES - (content.length % BLOCK_BYTES)) % BLOCK_BYTES);
  return Buffer.concat([header(name, content.length), content, padding, Buffer.alloc(2 * BLOCK_BYTES)]);
}

/** Name and content of the first file; undefined if it is cut short or this is no tar archive. */
export function firstFile(archive: Buffer): { name: string; content: Buffer } | undefined {
  if (archive.length < BLOCK_BYTES || archive.toString('latin1', 257, 262) !== 'ustar') return undefined;
  const name = archive.toString('utf8', 0, 100).replace(/\0.*$/s, '');
  const lengthBytes = Number.parseInt(archive.toString('latin1', 124, 136), 8);
  const content = archive.subarray(BLOCK_BYTES, BLOCK_BYTES + lengthBytes);
  return content.length === lengthBytes ? { name, content } : undefined;
}

function header(name: string, lengthBytes: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0');
  block.write(name, 0);
  block.write(`${octal(0o644, 7)}\0`, 100);
  block.write(`${octal(0, 7)}\0`, 108);
  block.write(`${octal(0, 7)}\0`, 116);
  block.write(`${octal(lengthBytes, 11)}\0`, 124);
  block.write(`${octal(0, 11)}\0`, 136);
  // The checksum is taken with its own field full of spaces.
  block.write('        0', 148);
  block.write('ustar\u000000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148);
  return block;
}
