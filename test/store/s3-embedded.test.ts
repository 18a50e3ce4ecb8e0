import { Secret } from '#lib/secret.ts';
import { s3Store } from '#lib/store/s3.ts';
import { startS3Server } from '#local/s3/server.ts';
import { objectStoreContract } from '../contract/object-store.ts';

objectStoreContract('S3 as the embedded server speaks it', async () => {
  const server = await startS3Server({ buckets: ['contract'] });
  const { endpoint, credentials } = server;
  const store = s3Store({
    bucket: 'contract',
    endpoint,
    credentials: {
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: new Secret(credentials.secretAccessKey),
    },
  });
  return {
    store,
    prefix: 'contract/',
    [Symbol.asyncDispose]: async () => {
      store[Symbol.dispose]();
      await server.stop();
    },
  };
});
