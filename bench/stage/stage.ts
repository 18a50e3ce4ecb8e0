/** What the targets read from and write to: files of known content, and the certificate of every server. */

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GIB } from '#lib/units.ts';
import { makeImage } from '../../demo/filesystem-image.ts';
import { issueCertificate, type TestCertificate } from '../../test/servers/certificates.ts';

const SUBJECT = 'localhost';

export class Stage implements AsyncDisposable {
  readonly folder: string;
  readonly certificate: TestCertificate;
  readonly subject = SUBJECT;
  readonly #files = new Map<string, Promise<unknown>>();

  private constructor(folder: string, certificate: TestCertificate) {
    this.folder = folder;
    this.certificate = certificate;
  }

  static async open(): Promise<Stage> {
    const folder = await mkdtemp(join(tmpdir(), 'blockferry-bench-'));
    const stage = new Stage(folder, await issueCertificate({ subject: SUBJECT }));
    await writeFile(stage.certificatePath, stage.certificate.certificatePem);
    await writeFile(stage.keyPath, stage.certificate.privateKeyPem, { mode: 0o600 });
    return stage;
  }

  get certificatePath(): string {
    return join(this.folder, 'certificate.pem');
  }

  get keyPath(): string {
    return join(this.folder, 'key.pem');
  }

  /** A file that does not compress: a key stream is the fastest source of noise without a program of our own. */
  noise(gib: number): Promise<string> {
    const keystream = 'openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null';
    return this.made(`noise-${gib}`, (path) =>
      promisify(execFile)('sh', ['-c', `${keystream} | head -c ${gib * GIB} > ${path}`]),
    );
  }

  /** An ext4 image of this project's packages, as large as `gib` or larger. */
  filesystem(gib: number): Promise<string> {
    const folder = join(import.meta.dirname, '..', '..', 'node_modules');
    return this.made(`filesystem-${gib}`, (path) => makeImage(path, { folder, minBytes: gib * GIB }));
  }

  /** The path of a file in the folder, made by the first who asks for it. */
  async made(name: string, make: (path: string) => Promise<unknown>): Promise<string> {
    const path = join(this.folder, name);
    const making = this.#files.get(path) ?? make(path);
    this.#files.set(path, making);
    await making;
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
