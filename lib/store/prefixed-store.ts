/** A part of a bucket as a store of its own: every key is meant relative to a prefix. */

import type { ListedObject, MultipartUpload, ObjectStore } from './object-store.ts';

/** `prefix` is empty or ends in a slash. Keys come back without it. */
export function underPrefix(store: ObjectStore, prefix: string): ObjectStore {
  if (prefix === '') return store;
  const inner = (upload: MultipartUpload): MultipartUpload => ({ ...upload, key: prefix + upload.key });
  const outer = <T extends { readonly key: string }>(found: T): T => ({
    ...found,
    key: found.key.slice(prefix.length),
  });
  return {
    ...(store.tally && { tally: store.tally }),
    put: (key, body, options) => store.put(prefix + key, body, options),
    putIfAbsent: (key, body, options) => store.putIfAbsent(prefix + key, body, options),
    get: (key, options) => store.get(prefix + key, options),
    head: (key, options) => store.head(prefix + key, options),
    list: (from, options) => mapped<ListedObject>(store.list(prefix + from, options), outer),
    delete: (key) => store.delete(prefix + key),
    extendLock: (key, lock, options) => store.extendLock(prefix + key, lock, options),
    createMultipartUpload: async (key, options) => outer(await store.createMultipartUpload(prefix + key, options)),
    uploadPart: (upload, part, signal) => store.uploadPart(inner(upload), part, signal),
    completeMultipartUpload: (upload, whole, signal) => store.completeMultipartUpload(inner(upload), whole, signal),
    abortMultipartUpload: (upload) => store.abortMultipartUpload(inner(upload)),
    listMultipartUploads: (from) => mapped(store.listMultipartUploads(prefix + from), outer),
  };
}

async function* mapped<T>(items: AsyncIterable<T>, change: (item: T) => T): AsyncIterable<T> {
  for await (const item of items) yield change(item);
}
