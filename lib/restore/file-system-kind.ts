/** Which file system begins here: by the mark that each has at a place of its own. */

/** All marks lie within. */
export const FILE_SYSTEM_HEAD_BYTES = 131_072;

interface FileSystemMark {
  readonly name: string;
  readonly offsetBytes: number;
  readonly bytes: string;
}

/** In latin1. The last ones are named only so that a person knows what to do next. */
const MARKS: readonly FileSystemMark[] = [
  { name: 'NTFS', offsetBytes: 3, bytes: 'NTFS    ' },
  { name: 'ext2/3/4', offsetBytes: 1080, bytes: '\x53\xef' },
  { name: 'XFS', offsetBytes: 0, bytes: 'XFSB' },
  { name: 'Btrfs', offsetBytes: 65_600, bytes: '_BHRfS_M' },
  { name: 'an LVM physical volume', offsetBytes: 512, bytes: 'LABELONE' },
  { name: 'a LUKS container', offsetBytes: 0, bytes: 'LUKS\xba\xbe' },
  { name: 'a BitLocker volume', offsetBytes: 3, bytes: '-FVE-FS-' },
];

/** `head` is the beginning of the disk or partition. Undefined: none that is known here. */
export function fileSystemKind(head: Buffer): string | undefined {
  return MARKS.find(({ offsetBytes, bytes }) => {
    return head.toString('latin1', offsetBytes, offsetBytes + bytes.length) === bytes;
  })?.name;
}
