import { startS3Server } from '#local/s3/server.ts';
import { objectStoreContract } from '../contract/object-store.ts';
import { openS3Target } from '../contract/s3-target.ts';

objectStoreContract('S3 as the embedded server speaks it', async () => {
  const server = await startS3Server();
  return openS3Target(server, { plainOn: 'locking', stop: () => server.stop() });
});
