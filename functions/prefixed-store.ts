/** A vault that shares its bucket: every key of the store begins with the vault's prefix, no key of the vault does. */

import type { MultipartUpload, ObjectStore } from '#lib/store/object-store.ts';

/** `prefix` is empty or ends in a slash. Uploads are handed through as the store named them. */
export function prefixedStore(store: ObjectStore, prefix: string): ObjectStore {
  if (prefix === '') return store;
  const within = (key: string) => `${prefix}${key}`;
  const without = (key: string) => key.slice(prefix.length);
  return {
    put: (key, body, options) => store.put(within(key), body, options),
    putIfAbsent: (key, body, options) => store.putIfAbsent(within(key), body, options),
    get: (key, options) => store.get(within(key), options),
    head: (key, options) => store.head(within(key), options),
    async *list(below, options) {
      for await (const object of store.list(within(below), options)) yield { ...object, key: without(object.key) };
    },
    delete: (key) => store.delete(within(key)),
    createMultipartUpload: (key, options) => store.createMultipartUpload(within(key), options),
    uploadPart: (upload, part, signal) => store.uploadPart(upload, part, signal),
    completeMultipartUpload: (upload, whole, signal) => store.completeMultipartUpload(upload, whole, signal),
    abortMultipartUpload: (upload: MultipartUpload) => store.abortMultipartUpload(upload),
    listMultipartUploads: (below) => store.listMultipartUploads(within(below)),
  };
}
