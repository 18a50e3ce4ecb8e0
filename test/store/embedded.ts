/** A store on the embedded server, with a proxy between them that can fail. */

import { Secret } from '#lib/secret.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { s3Store } from '#lib/store/s3.ts';
import type { S3Settings } from '#lib/store/s3-client.ts';
import { type S3Server, startS3Server } from '#local/s3/server.ts';
import { type FaultProxy, startFaultProxy } from '../servers/fault-proxy.ts';

export const BUCKET = 'vault-under-test';

export interface Embedded extends AsyncDisposable {
  readonly server: S3Server;
  readonly proxy: FaultProxy;
  /** Through the proxy. */
  readonly store: ObjectStore & Disposable;
  /** Another store through the proxy, set up differently. */
  open(settings: Partial<S3Settings>): ObjectStore & Disposable;
}

export async function startEmbedded(): Promise<Embedded> {
  const server = await startS3Server({ buckets: [BUCKET] });
  const proxy = await startFaultProxy({ port: Number(new URL(server.endpoint).port) });
  const opened: Disposable[] = [];
  const open = (settings: Partial<S3Settings>) => {
    const { accessKeyId, secretAccessKey } = server.credentials;
    const store = s3Store({
      bucket: BUCKET,
      endpoint: `http://127.0.0.1:${proxy.port}`,
      credentials: { accessKeyId, secretAccessKey: new Secret(secretAccessKey) },
      timeouts: { idleMs: 500 },
      ...settings,
    });
    opened.push(store);
    return store;
  };
  return {
    server,
    proxy,
    store: open({}),
    open,
    [Symbol.asyncDispose]: async () => {
      for (const store of opened) store[Symbol.dispose]();
      await proxy[Symbol.asyncDispose]();
      await server.stop();
    },
  };
}
