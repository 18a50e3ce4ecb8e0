/** A place to upload to over HTTPS that keeps nothing, as a process of its own. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Stage } from './stage.ts';

export const BUCKET = 'bench';

export interface Sink extends AsyncDisposable {
  readonly endpoint: string;
  /** For client processes: credentials that the sink does not check, and its certificate for Node, Python and rclone. */
  readonly env: Record<string, string>;
}

export async function startSink(stage: Stage): Promise<Sink> {
  const sink = fork(join(import.meta.dirname, 's3-sink.ts'), [stage.certificatePath, stage.keyPath]);
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
