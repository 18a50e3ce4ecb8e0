/** The simulated site of the demo with its installation and its vault. */

import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { backupResult } from '#cli/backup.ts';
import { RunProgress } from '#cli/run-progress.ts';
import { readClosing } from '#lib/cost/closings.ts';
import type { RequestCounts } from '#lib/format/request-counts.ts';
import { diskOfPoint, listPoints } from '#lib/restore/points.ts';
import { restoreRawFile } from '#lib/restore/restore-to-path.ts';
import { Secret } from '#lib/secret.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { underPrefix } from '#lib/store/prefixed-store.ts';
import { addCounts } from '#lib/store/request-tally.ts';
import { s3Store } from '#lib/store/s3.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { LocalInstallation } from '#local/installation.ts';
import type { S3Server } from '#local/s3/server.ts';
import type { Simulator } from '#sim/simulator.ts';
import { identical } from './identical.ts';
import { type DemoRun, Meter } from './measurements.ts';
import { serverCount } from './server-count.ts';

export const DEMO_BUCKET = 'demo-vault';
export const DEMO_PREFIX = 'demo/';
const READERS = 4;

interface DemoParts {
  readonly sim: Simulator;
  readonly s3: S3Server;
  readonly say: (line: string) => void;
}

export class DemoSite {
  readonly #sim: Simulator;
  readonly #s3: S3Server;
  readonly #store: ObjectStore;
  #installation: LocalInstallation | undefined;
  #meter: Meter | undefined;

  readonly #say: (line: string) => void;

  constructor({ sim, s3, say }: DemoParts) {
    this.#sim = sim;
    this.#s3 = s3;
    this.#say = say;
    this.#store = underPrefix(
      s3Store({ bucket: DEMO_BUCKET, endpoint: s3.endpoint, credentials: this.#credentials }),
      DEMO_PREFIX,
    );
  }

  get #credentials() {
    const { accessKeyId, secretAccessKey } = this.#s3.credentials;
    return { accessKeyId, secretAccessKey: new Secret(secretAccessKey) };
  }

  async start(): Promise<LocalInstallation> {
    const { url, fingerprint, credentials } = this.#sim;
    const password = new Secret(credentials.password);
    this.#installation = await LocalInstallation.start({
      pools: [{ name: 'demo', url, fingerprint, username: credentials.username, password }],
      vault: { bucket: DEMO_BUCKET, prefix: DEMO_PREFIX, endpoint: this.#s3.endpoint, credentials: this.#credentials },
      onEvent: new RunProgress((line) => this.#say(`  ${line}`)).onEvent,
      onInvocation: (report) => this.#meter?.count(report),
    });
    return this.#installation;
  }

  async backUp(title: string, vm: string): Promise<DemoRun> {
    if (this.#installation === undefined) throw new TypeError('the site was not started');
    this.#s3.counters.reset();
    const meter = new Meter(this.#sim, this.#s3);
    this.#meter = meter;
    const before = this.#installation.executions.length;
    const execution = await this.#installation.start('backup', { vm, readers: READERS });
    await execution.finished;
    const { storedBytes, point } = backupResult(execution);
    this.#say(`  restore point ${point}`);
    const measured = meter.result(title, this.#installation.executions.slice(before), storedBytes);
    const counted = serverCount(this.#s3);
    const record = await this.#recordOf(point);
    const exact = isDeepStrictEqual(record, counted);
    this.#say(
      `  its cost record: ${record?.puts} + ${record?.gets} requests, ${record?.sentBytes} bytes sent, of all its steps; the S3 server ${exact ? 'counted the same' : `COUNTED ${counted.puts} + ${counted.gets}, ${counted.sentBytes} bytes`}`,
    );
    return { ...measured, recordIsExact: exact };
  }

  /** What the run says that it asked for: until its point, by the point, and after it, by the closing. */
  async #recordOf(key: string): Promise<RequestCounts | undefined> {
    const found = (await listPoints(this.#store)).find(({ name }) => key.includes(name));
    const closing = found && (await readClosing(this.#store, found.point));
    const [until, after] = [found?.point.measured.requests, closing?.requests];
    return until && after && addCounts(until, after);
  }

  /** Restores every point and compares it with the image that the disk was at its time. */
  async compareRestores(images: readonly string[], folder: string): Promise<boolean> {
    let allSame = true;
    for (const [index, point] of (await listPoints(this.#store)).entries()) {
      const content = await DiskContent.open(this.#store, diskOfPoint(point));
      const path = join(folder, `restored-${index + 1}.raw`);
      await restoreRawFile(content, path);
      const same = await identical(path, images[index] ?? '');
      this.#say(`  restored point ${index + 1}: ${same ? 'identical' : 'DIFFERENT'}`);
      allSame &&= same;
    }
    return allSame;
  }
}
