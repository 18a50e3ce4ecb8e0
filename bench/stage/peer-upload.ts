/** The pipelines of ordinary tools that the whole reader is measured beside. */

import { runMeasured, type Usage } from '../measuring/command.ts';
import type { NbdAddress } from './nbd-source.ts';
import { BUCKET, type Sink } from './sink.ts';

/**
 * What stands between `nbdcopy` and `aws s3 cp -`. The digest is taken from a named pipe instead of a process substitution:
 * nobody waits for one of those, and its CPU would not be counted.
 */
const STAGES = {
  raw: '',
  digestZstd: 'tee "$FIFO" | zstd -1 -q |',
} as const;

export interface PeerPipeline {
  readonly address: NbdAddress;
  readonly sink: Sink;
  readonly stages: keyof typeof STAGES;
  /** For the named pipe. */
  readonly folder: string;
}

/** Reads with nbdcopy at its defaults and uploads with the AWS command line at its defaults. */
export function uploadWithAws({ address, sink, stages, folder }: PeerPipeline): Promise<Usage> {
  const digest = stages === 'raw' ? '' : 'rm -f "$FIFO"; mkfifo "$FIFO"; sha256sum < "$FIFO" > /dev/null &';
  const script = `set -e -o pipefail; ${digest}
    nbdcopy --no-extents "$SOURCE" - | ${STAGES[stages]} aws s3 cp --only-show-errors - "s3://${BUCKET}/peer"; wait`;
  return runMeasured(['bash', '-c', script], { ...sink.env, ...source(address), FIFO: `${folder}/digest` });
}

export function uploadWithRclone({ address, sink }: Pick<PeerPipeline, 'address' | 'sink'>): Promise<Usage> {
  const remote = `:s3,provider=Other,env_auth=true,region=us-east-1,endpoint="${sink.endpoint}"`;
  const script = `set -e -o pipefail
    nbdcopy --no-extents "$SOURCE" - |
      env -u AWS_CA_BUNDLE rclone --config "" --ca-cert "$AWS_CA_BUNDLE" rcat "$REMOTE:${BUCKET}/peer"`;
  return runMeasured(['bash', '-c', script], { ...sink.env, ...source(address), REMOTE: remote });
}

/** What would do the upload, for the record. */
export async function awsVersion(): Promise<string> {
  const { stdout } = await runMeasured(['aws', '--version']);
  return stdout.split(' ').slice(0, 2).join(' ').trim();
}

function source({ port }: NbdAddress): Record<string, string> {
  return { SOURCE: `nbds://localhost:${port}/?tls-verify-peer=false` };
}
