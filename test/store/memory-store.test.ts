import { objectStoreContract } from '../contract/object-store.ts';
import { MemoryBucket } from '../fakes/memory-store.ts';
import { memoryVersions } from '../fakes/memory-versions.ts';
import { faultOnce } from '../fakes/store-faults.ts';

objectStoreContract('the fake in memory', async () => {
  const bucket = new MemoryBucket({ now: () => new Date() });
  const store = bucket.store();
  return {
    store,
    versioned: { store, versions: memoryVersions(bucket), lockMode: 'GOVERNANCE' },
    failing: (fault, operation) => bucket.store(faultOnce(fault, (call) => call.operation === operation)),
    prefix: 'contract/',
    [Symbol.asyncDispose]: async () => undefined,
  };
});
