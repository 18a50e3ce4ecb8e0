/** The order in which records changed, as far as event.from needs it. */

export interface Change {
  readonly className: string;
  readonly ref: string;
  readonly operation: 'add' | 'mod' | 'del';
  readonly generation: number;
}

interface Life {
  readonly className: string;
  readonly created: number;
  readonly modified: number;
  readonly deleted: number | undefined;
}

/** Deletions remembered; a client that asks with an older token than these is told to start over. */
const MAX_REMEMBERED = 10_000;

export class Journal {
  #generation = 1;
  readonly #lives = new Map<string, Life>();
  readonly #waiting = new Set<() => void>();

  get generation(): number {
    return this.#generation;
  }

  added(className: string, ref: string): void {
    const at = this.#next();
    this.#lives.set(ref, { className, created: at, modified: at, deleted: undefined });
    this.#wake();
  }

  modified(className: string, ref: string): void {
    const at = this.#next();
    const life = this.#lives.get(ref) ?? { className, created: at, modified: at, deleted: undefined };
    this.#lives.set(ref, { ...life, modified: at });
    this.#wake();
  }

  deleted(className: string, ref: string): void {
    const at = this.#next();
    const life = this.#lives.get(ref) ?? { className, created: 0, modified: at, deleted: at };
    // Moved to the end, so that the oldest entries of the map are those that changed longest ago.
    this.#lives.delete(ref);
    this.#lives.set(ref, { ...life, deleted: at });
    this.#forget();
    this.#wake();
  }

  /** One change per object, the sum of what happened to it since `generation`. */
  since(generation: number): Change[] {
    const changes: Change[] = [];
    for (const [ref, { className, created, modified, deleted }] of this.#lives) {
      if (deleted !== undefined) {
        // An object that was born and died in between was never seen, so its death is not told either.
        if (deleted > generation && created <= generation) {
          changes.push({ className, ref, operation: 'del', generation: deleted });
        }
      } else if (created > generation) changes.push({ className, ref, operation: 'add', generation: created });
      else if (modified > generation) changes.push({ className, ref, operation: 'mod', generation: modified });
    }
    return changes.sort((a, b) => a.generation - b.generation);
  }

  /** Resolves at the next change of any record, or after the timeout. */
  nextChange(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#waiting.add(done);
    });
  }

  #next(): number {
    this.#generation += 1;
    return this.#generation;
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  #forget(): void {
    if (this.#lives.size <= MAX_REMEMBERED) return;
    for (const [ref, { deleted }] of this.#lives) {
      if (deleted !== undefined) {
        this.#lives.delete(ref);
        return;
      }
    }
  }
}
