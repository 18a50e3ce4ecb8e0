/** Bounds how many calls to one host are in flight. */

/** At most `count` holders at a time, in order of arrival. */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves with the turn, to be disposed at its end; rejects with the signal's reason when that fires first. */
  async take(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#next(signal);
    return { [Symbol.dispose]: () => this.#giveBack() };
  }

  #next(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = (): void => {
      this.#waiting.splice(this.#waiting.indexOf(turn), 1);
      reject(signal.reason);
    };
    const turn = (): void => {
      signal.removeEventListener('abort', leave);
      resolve();
    };
    this.#waiting.push(turn);
    signal.addEventListener('abort', leave, { once: true });
    return promise;
  }

  #giveBack(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
