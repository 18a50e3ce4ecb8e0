/** A place to upload to over HTTPS that keeps nothing, as a process of its own. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setDefaultCACertificates } from 'node:tls';
import { Secret } from '#lib/secret.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { s3Store } from '#lib/store/s3.ts';
import { MIB } from '#lib/units.ts';
import type { Stage } from './stage.ts';

export const BUCKET = 'bench';

export interface Sink extends AsyncDisposable {
  readonly endpoint: string;
  /** For client processes: credentials that the sink does not check, and its certificate for Node, Python and rclone. */
  readonly env: Record<string, string>;
}

/** The largest document of a run is the bitmap of its disk: 32 MiB for 16 TiB. Parts of uploads are never kept. */
const DOCUMENT_BYTES = 40 * MIB;

export function startSink(stage: Stage): Promise<Sink> {
  return startServer(stage, DOCUMENT_BYTES);
}

/** The same server, which keeps all that is put, in memory. */
export function startKeeper(stage: Stage): Promise<Sink> {
  return startServer(stage, Number.MAX_SAFE_INTEGER);
}

async function startServer(stage: Stage, rememberedBytes: number): Promise<Sink> {
  const script = join(import.meta.dirname, 's3-sink.ts');
  const sink = fork(script, [stage.certificatePath, stage.keyPath, `${rememberedBytes}`]);
  const [port]: unknown[] = await once(sink, 'message');
  const endpoint = `https://${stage.subject}:${port}`;
  return {
    endpoint,
    env: {
      AWS_ACCESS_KEY_ID: 'bench',
      AWS_SECRET_ACCESS_KEY: 'bench',
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CA_BUNDLE: stage.certificatePath,
      NODE_EXTRA_CA_CERTS: stage.certificatePath,
    },
    async [Symbol.asyncDispose]() {
      const exited = once(sink, 'exit');
      sink.disconnect();
      await exited;
    },
  };
}

/** For this process, which from now on trusts the stage's certificate alone. */
export function storeOf(stage: Stage, { endpoint }: Sink): ObjectStore & Disposable {
  setDefaultCACertificates([stage.certificate.certificatePem]);
  const credentials = { accessKeyId: 'bench', secretAccessKey: new Secret('bench') };
  return s3Store({ bucket: BUCKET, endpoint, credentials });
}
