/** The keys of a bucket in S3's order: by the bytes of their UTF-8. */

interface OrderedKey {
  readonly key: string;
  readonly bytes: Buffer;
}

/** Kept in order, because a listing of a few keys must not cost a look at all of them. */
export class OrderedKeys {
  readonly #keys: OrderedKey[] = [];

  /** The key must not be there yet. */
  add(key: string): void {
    const bytes = Buffer.from(key);
    this.#keys.splice(this.#firstFrom(bytes), 0, { key, bytes });
  }

  /** The key must be there. */
  remove(key: string): void {
    this.#keys.splice(this.#firstFrom(Buffer.from(key)), 1);
  }

  under(prefix: string): string[] {
    const first = this.#firstFrom(Buffer.from(prefix));
    let end = first;
    while (this.#keys[end]?.key.startsWith(prefix)) end++;
    return this.#keys.slice(first, end).map(({ key }) => key);
  }

  #firstFrom(bytes: Buffer): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (Buffer.compare(this.#keys[middle]?.bytes ?? bytes, bytes) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
