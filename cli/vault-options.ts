/** Which vault a command means: --vault and --endpoint, or BLOCKFERRY_VAULT and BLOCKFERRY_ENDPOINT. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { Failure } from '#lib/failure.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { underPrefix } from '#lib/store/prefixed-store.ts';
import { s3Store } from '#lib/store/s3.ts';

/** The options of a command cannot be understood; nothing was done. */
export class UsageError extends Failure {
  static override readonly failureName = 'UsageError';
}

export interface VaultOptions {
  readonly vault?: string;
  readonly endpoint?: string;
  readonly region?: string;
}

export interface VaultAddress {
  readonly bucket: string;
  /** Empty, or a path that ends in a slash. */
  readonly prefix: string;
}

export function addVaultOptions(command: Command): Command {
  return command
    .addOption(new Option('--vault <url>', 'the vault, as s3://bucket or s3://bucket/prefix').env('BLOCKFERRY_VAULT'))
    .addOption(
      new Option('--endpoint <url>', 'an S3-compatible server instead of AWS')
        .env('BLOCKFERRY_ENDPOINT')
        .argParser(endpointUrl),
    )
    .addOption(new Option('--region <name>', 'region of the bucket').env('AWS_REGION'));
}

function endpointUrl(text: string): string {
  const url = URL.parse(text);
  // Not as Commander's error, which would repeat the address.
  if (url !== null && (url.username !== '' || url.password !== '')) {
    throw new UsageError('an endpoint holds no credentials; give them to the environment, as for the AWS tools');
  }
  if (!/^https?:$/.test(url?.protocol ?? '')) {
    throw new InvalidArgumentError('Write the address of the server as https://name or http://name:port.');
  }
  return text;
}

/** `s3://bucket/prefix` with or without a slash at the end. Throws UsageError. */
export function parseVaultUrl(url: string | undefined): VaultAddress {
  if (url === undefined) {
    throw new UsageError('no vault was named; give --vault s3://bucket/prefix or set BLOCKFERRY_VAULT');
  }
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(url);
  const [, bucket, path = ''] = match ?? [];
  if (bucket === undefined) {
    throw new UsageError(
      `${JSON.stringify(withoutCredentials(url))} is not the address of a vault; write s3://bucket or s3://bucket/prefix`,
    );
  }
  // A pattern for the slashes at the end would begin anew at each slash before it.
  let end = path.length;
  while (path[end - 1] === '/') end--;
  return { bucket, prefix: end === 0 ? '' : `${path.slice(0, end)}/` };
}

/** Other tools take `s3://key:secret@bucket`: what a person is used to must not end in a log. */
function withoutCredentials(url: string): string {
  const [from, to] = [url.indexOf('//'), url.lastIndexOf('@')];
  return from === -1 || to < from ? url : `${url.slice(0, from)}//[hidden]${url.slice(to)}`;
}

export interface OpenVault extends Disposable {
  readonly store: ObjectStore;
  readonly address: VaultAddress;
}

/** The vault with the credentials that the AWS tools would use: environment, profile, role. */
export function openVault(options: VaultOptions): OpenVault {
  const address = parseVaultUrl(options.vault);
  const store = s3Store({
    bucket: address.bucket,
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.region === undefined ? {} : { region: options.region }),
  });
  return {
    address,
    store: underPrefix(store, address.prefix),
    [Symbol.dispose]: () => store[Symbol.dispose](),
  };
}
