/** Files of ext2, ext3 and ext4, by debugfs. */

import { type FileReader, FilesUnavailable, oneLine, outputOf } from './file-tools.ts';

const DEBUGFS = { command: 'debugfs', debianPackage: 'e2fsprogs' };

/** `image` holds the file system from its first byte on. */
export function extFiles(image: string): FileReader {
  const ask = async (request: string): Promise<string> => {
    const { stdout, complaint } = await debugfs(image, request);
    if (stdout === '' && complaint !== '') throw unavailable(request, complaint);
    return stdout;
  };
  return {
    listing: (path) => ask(`ls -l "${path}"`),
    entries: async (path) => parseListing(await ask(`ls -p "${path}"`)),
    async extract(path, to) {
      const request = `dump -p "${path}" "${to}"`;
      const { complaint } = await debugfs(image, request);
      // Who is not root cannot give files away; their content is there all the same.
      const serious = complaint.split('\n').filter((line) => line !== '' && !/while (setting|changing) /.test(line));
      if (serious.length > 0) throw unavailable(request, serious.join('\n'));
    },
    async fileBytes(path) {
      const stat = await ask(`stat "${path}"`);
      const [, type = '', bytes] = /Type: (\w+)[\s\S]*?Size: (\d+)/.exec(stat) ?? [];
      if (type !== 'regular' || bytes === undefined) throw new FilesUnavailable(`${path} is no regular file`);
      return Number(bytes);
    },
  };
}

/** debugfs ends with 0 whatever happened; its complaints begin behind a line with its version. */
async function debugfs(image: string, request: string) {
  const { stdout, stderr } = await outputOf(DEBUGFS, ['-R', request, image]);
  return { stdout, complaint: stderr.replace(/^debugfs [^\n]*\n/, '') };
}

function unavailable(request: string, complaint: string): FilesUnavailable {
  return new FilesUnavailable(`debugfs did not carry out ${request}: ${oneLine(complaint)}`);
}

/** Lines of `ls -p`: /inode/mode in octal/owner/group/name/size/, where a directory's size is left out. */
function parseListing(text: string): readonly object[] {
  return text.split('\n').flatMap((line) => {
    const [, inode, mode = '', owner, group, name, bytes] =
      /^\/(\d+)\/(\d{6})\/(\d+)\/(\d+)\/([^/]+)\/(\d*)\/$/.exec(line.trim()) ?? [];
    if (name === undefined) return [];
    const facts = { name, mode, owner: Number(owner), group: Number(group), inode: Number(inode) };
    return [bytes === '' ? facts : { ...facts, bytes: Number(bytes) }];
  });
}
