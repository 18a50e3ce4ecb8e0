/** A real headless Chromium, driven over its debugging pipe: what a page looks like, logs, asks for, and contains. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';

/** A page of 5 MiB is there within two seconds; a browser that says nothing for so long has hung. */
const ANSWER_LIMIT_MS = 30_000;

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

export interface Look {
  readonly width: number;
  readonly height: number;
  readonly phone: boolean;
  readonly theme: 'light' | 'dark';
  /** As it looks on paper. */
  readonly printed?: boolean;
}

export class Browser implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #folder: string;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #events: Message[] = [];
  readonly #input: Writable;
  #nextId = 1;
  #session: string | undefined;
  #rest = '';

  private constructor(process: ChildProcess, folder: string) {
    this.#process = process;
    this.#folder = folder;
    this.#input = process.stdio[3] as Writable;
    (process.stdio[4] as Readable).setEncoding('utf8').on('data', (text: string) => this.#take(text));
  }

  static async start(): Promise<Browser> {
    const folder = await mkdtemp(join(tmpdir(), 'blockferry-chromium-'));
    const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'];
    const offline = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];
    const child = spawn('chromium', [...flags, ...offline, '--remote-debugging-pipe', `--user-data-dir=${folder}`], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], HOME: folder },
    });
    const browser = new Browser(child, folder);
    const { targetId } = await browser.#call('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await browser.#call('Target.attachToTarget', { targetId, flatten: true });
    browser.#session = String(sessionId);
    for (const domain of ['Page', 'Network', 'Runtime', 'Log']) await browser.#call(`${domain}.enable`);
    return browser;
  }

  /** Opens a file as a double click would. */
  async open(file: string, look: Look): Promise<void> {
    this.#events.length = 0;
    const { width, height, phone: mobile, theme: value, printed = false } = look;
    await this.#call('Emulation.setDeviceMetricsOverride', { width, height, mobile, deviceScaleFactor: 1 });
    await this.#call('Emulation.setEmulatedMedia', {
      media: printed ? 'print' : '',
      features: [{ name: 'prefers-color-scheme', value }],
    });
    const loaded = this.#event('Page.loadEventFired');
    await this.#call('Page.navigate', { url: pathToFileURL(file).href });
    await loaded;
  }

  /** Addresses that the page asked for since it was opened, its own file included. */
  get requests(): string[] {
    return this.#events
      .filter(({ method }) => method === 'Network.requestWillBeSent')
      .map(({ params }) => (params as { request: { url: string } }).request.url);
  }

  /** Everything that would stand in the console. */
  get complaints(): string[] {
    return this.#events
      .filter(({ method }) =>
        ['Runtime.consoleAPICalled', 'Runtime.exceptionThrown', 'Log.entryAdded'].includes(method ?? ''),
      )
      .map((event) => JSON.stringify(event.params));
  }

  /** The value of an expression in the page. */
  async evaluate<T>(expression: string): Promise<T> {
    const answer = await this.#call('Runtime.evaluate', { expression, returnByValue: true });
    return (answer['result'] as { value: T }).value;
  }

  /** Of the whole page. */
  async screenshot(file: string): Promise<void> {
    await this.#capture(file, { captureBeyondViewport: true });
  }

  /** Of what the window shows. */
  async screenshotOfWindow(file: string): Promise<void> {
    await this.#capture(file, {});
  }

  async #capture(file: string, options: object): Promise<void> {
    const { data } = await this.#call('Page.captureScreenshot', { format: 'png', ...options });
    await writeFile(file, Buffer.from(String(data), 'base64'));
  }

  /** Pages of the printed document. */
  async printedPages(): Promise<number> {
    const { data } = await this.#call('Page.printToPDF');
    const pdf = Buffer.from(String(data), 'base64').toString('latin1');
    return pdf.match(/\/Type\s*\/Page[^s]/g)?.length ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #call(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = this.#nextId++;
    const answered = new Promise<Message>((resolve, reject) => {
      const late = () => reject(new Error(`Chromium did not answer ${method} within ${ANSWER_LIMIT_MS} ms`));
      const timer = setTimeout(late, ANSWER_LIMIT_MS);
      this.#waiting.set(id, (message) => {
        clearTimeout(timer);
        resolve(message);
      });
    });
    const sessionId = this.#session;
    this.#input.write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`);
    const { result, error } = await answered;
    if (error !== undefined) throw new Error(`Chromium refused ${method}: ${error.message}`);
    return result ?? {};
  }

  async #event(method: string): Promise<void> {
    const deadline = Date.now() + ANSWER_LIMIT_MS;
    while (!this.#events.some((event) => event.method === method)) {
      if (Date.now() > deadline) throw new Error(`Chromium did not report ${method}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  #take(text: string): void {
    const messages = (this.#rest + text).split('\0');
    this.#rest = messages.pop() ?? '';
    for (const message of messages.map((one) => JSON.parse(one) as Message)) {
      if (message.id === undefined) this.#events.push(message);
      else this.#waiting.get(message.id)?.(message);
    }
  }
}
