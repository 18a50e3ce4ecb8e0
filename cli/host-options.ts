/** Which pool a command means: --host, --fingerprint, --username and --password-file, or their environment variables. */

import { type Command, Option } from 'commander';
import type { PoolSettings } from '#lib/backup/host-access.ts';
import { parseFingerprint } from '#lib/xapi/certificate-pin.ts';
import { readPassword } from './password.ts';

export interface HostOptions {
  readonly host: string;
  readonly fingerprint?: string;
  readonly username: string;
  readonly passwordFile?: string;
}

export function addHostOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--host <url>', 'the pool coordinator, as https://address')
        .env('BLOCKFERRY_HOST')
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--fingerprint <sha256>', "SHA-256 fingerprint of the host's certificate").env(
        'BLOCKFERRY_FINGERPRINT',
      ),
    )
    .addOption(new Option('--username <name>', 'user of the host').env('BLOCKFERRY_USERNAME').default('root'))
    .option('--password-file <file>', 'file whose first line is the password; otherwise BLOCKFERRY_PASSWORD is used');
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
