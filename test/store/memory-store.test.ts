import { objectStoreContract } from '../contract/object-store.ts';
import { memoryStore } from '../fakes/memory-store.ts';

objectStoreContract('the fake in memory', async () => ({
  store: memoryStore().store,
  prefix: 'contract/',
  [Symbol.asyncDispose]: async () => undefined,
}));
