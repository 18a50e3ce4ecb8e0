/** Which pool a command means: --host, --fingerprint, --username and --password-file, or their environment variables. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import type { PoolSettings } from '#lib/backup/host-access.ts';
import { parseFingerprint } from '#lib/xapi/certificate-pin.ts';
import { readPassword } from './password.ts';

export interface HostOptions {
  readonly host: string;
  readonly fingerprint?: string;
  readonly username: string;
  readonly passwordFile?: string;
}

export function addHostOptions(command: Command, fingerprint = fingerprintOption()): Command {
  return command
    .addOption(
      new Option('--host <url>', 'the pool coordinator, as https://address')
        .env('BLOCKFERRY_HOST')
        .makeOptionMandatory(),
    )
    .addOption(fingerprint)
    .addOption(new Option('--username <name>', 'user of the host').env('BLOCKFERRY_USERNAME').default('root'))
    .option('--password-file <file>', 'file whose first line is the password; otherwise BLOCKFERRY_PASSWORD is used');
}

/** Without a fingerprint only `doctor` does anything: it prints the one that the host shows. */
export function fingerprintOption(): Option {
  return new Option('--fingerprint <sha256>', "SHA-256 fingerprint of the host's certificate")
    .env('BLOCKFERRY_FINGERPRINT')
    .argParser(fingerprintText);
}

function fingerprintText(text: string): string {
  // The prefix is openssl's: what it prints can be pasted whole.
  if (!/^\s*(sha256 fingerprint=)?[0-9a-f]{2}(:?[0-9a-f]{2}){31}\s*$/i.test(text)) {
    throw new InvalidArgumentError(
      'It must have 64 hexadecimal digits, with or without colons; blockferry doctor prints it.',
    );
  }
  return text;
}

/** The pool as the steps know it; the password is read when a session is opened. */
export function poolOf(options: HostOptions & { readonly fingerprint: string }, name = 'local'): PoolSettings {
  return {
    name,
    host: { url: options.host, pin: { kind: 'fingerprint', sha256: parseFingerprint(options.fingerprint) } },
    redirects: [],
    nbd: 'tls',
    credentials: async () => ({ username: options.username, password: await readPassword(options.passwordFile) }),
  };
}
