/** A site full of planted secrets, and the commands of a person beside it; everything that they write can be searched. */

import { spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIB } from '#lib/units.ts';
import { InProcessSite } from './in-process-site.ts';
import { type Place, placeOf } from './planted.ts';

const COMMAND = join(import.meta.dirname, '../../cli/blockferry.ts');
/** Every layer on the way has to escape some of it in its own manner. */
const AWKWARD = ' "<&>%/+=\\ü';
const COMMAND_LIMIT_MS = 300_000;
/** Node writes a report before it goes on. */
const REPORT_MS = 1_000;

const planted = (what: string) => `planted ${what} ${randomBytes(12).toString('hex')}${AWKWARD}`;

export interface PlantedSite extends AsyncDisposable {
  /** By what each is. Sessions come in as the host gives them out. */
  readonly secrets: Map<string, string>;
  readonly site: InProcessSite;
  readonly vm: { readonly uuid: string; readonly vdis: readonly string[] };
  /** Temporary files of all processes, but for those of the S3 server. */
  readonly temporary: string;
  readonly reports: string;
  /** Every version of every object, named by its key. */
  objects(): Promise<Place[]>;
  /** Runs a command with the secrets in its environment; answers what it wrote. */
  command(words: readonly string[], more?: Readonly<Record<string, string>>): Promise<Place>;
}

export async function startPlantedSite(): Promise<PlantedSite> {
  const folder = await mkdtemp(join(tmpdir(), 'planted-secrets-'));
  const [temporary, reports, s3] = ['tmp', 'reports', 's3'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const each of [temporary, reports]) await mkdir(each);
  // All processes of the site inherit it, and os.tmpdir() reads it at each call.
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = temporary;
  const secrets = plantedSecrets();
  const signingKeyFile = join(folder, 'signing.pem');
  await writeFile(signingKeyFile, secrets.get('signing key') ?? '');
  const site = await startSite(secrets, { directory: s3, signingKeyFile });
  const vm = await addTalkativeVm(site, secrets);
  secrets.set("key of the host's certificate", bodyOf(site.sim.world.certificates.current.keyPem));
  secrets.set('signing key', bodyOf(secrets.get('signing key') ?? ''));
  return {
    secrets,
    site,
    vm,
    temporary,
    reports,
    objects: () => objectsOf(s3),
    command: (words, more = {}) =>
      runCommand(words, { ...commandEnvironment(site, secrets, { temporary, reports }), ...more }),
    [Symbol.asyncDispose]: async () => {
      await site[Symbol.asyncDispose]();
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function plantedSecrets(): Map<string, string> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const names = ['password', 'wrong password', 'other_config', 'xenstore_data'];
  return new Map([
    ...names.map((name) => [name, planted(name)] as const),
    ['AWS secret key', `PLANTED/${randomBytes(24).toString('base64')}`],
    ['signing key', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()],
  ]);
}

/** The second line of a PEM file: of the first one, all keys of a kind have the same. */
const bodyOf = (pem: string) => pem.split('\n')[2] ?? '';

async function startSite(
  secrets: Map<string, string>,
  { directory, signingKeyFile }: { directory: string; signingKeyFile: string },
): Promise<InProcessSite> {
  let running: InProcessSite | undefined;
  const noteSessions = () => {
    for (const session of running?.sim.world.db.session.refs() ?? []) secrets.set(`session ${session}`, session);
  };
  const credentials = { accessKeyId: 'PLANTEDKEYID', secretAccessKey: secrets.get('AWS secret key') ?? '' };
  running = await InProcessSite.start({
    password: secrets.get('password') ?? '',
    wrongPassword: secrets.get('wrong password') ?? '',
    signingKeyFile,
    // A session lives from before the connection object is written until after it is read for the last time.
    s3: { directory, credentials, onRequest: noteSessions },
  });
  return running;
}

async function addTalkativeVm(site: InProcessSite, secrets: ReadonlyMap<string, string>) {
  const vm = await site.sim.addVm({ name: 'planted-name-of-a-vm', disks: [{ bytes: randomBytes(2 * MIB) }] });
  const { VM, VDI } = site.sim.world.db;
  const other_config = { 'auto-login': secrets.get('other_config') ?? '' };
  VM.update(VM.byUuid(vm.uuid), { other_config });
  for (const vdi of vm.vdis)
    VDI.update(VDI.byUuid(vdi), {
      other_config,
      xenstore_data: { 'vm-data/password': secrets.get('xenstore_data') ?? '' },
    });
  return vm;
}

/** Each version is a record beside the files that hold its bytes. */
async function objectsOf(directory: string): Promise<Place[]> {
  const places: Place[] = [];
  for (const entry of await readdir(join(directory, 'buckets'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.json') || entry.name === 'bucket.json') continue;
    const text = await readFile(join(entry.parentPath, entry.name), 'utf8');
    const record: { key: string; segments?: { file: string }[] } = JSON.parse(text);
    const bodies: string[] = [];
    for (const { file } of record.segments ?? []) bodies.push(await readFile(join(directory, 'data', file), 'latin1'));
    places.push({ name: record.key, text: [text, ...bodies].join('\n') });
  }
  return places;
}

function commandEnvironment(
  site: InProcessSite,
  secrets: ReadonlyMap<string, string>,
  { temporary, reports }: { temporary: string; reports: string },
): Record<string, string> {
  const { accessKeyId, secretAccessKey } = site.s3.credentials;
  return {
    PATH: process.env['PATH'] ?? '',
    TMPDIR: temporary,
    NODE_OPTIONS: `--report-on-fatalerror --report-uncaught-exception --report-on-signal --report-directory=${reports}`,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_REGION: 'us-east-1',
    BLOCKFERRY_VAULT: 's3://vault/site',
    BLOCKFERRY_ENDPOINT: site.s3.endpoint,
    BLOCKFERRY_HOST: site.sim.url,
    BLOCKFERRY_FINGERPRINT: site.sim.fingerprint,
    BLOCKFERRY_PASSWORD: secrets.get('password') ?? '',
  };
}

async function runCommand(words: readonly string[], env: Readonly<Record<string, string>>): Promise<Place> {
  const child = spawn(process.execPath, [COMMAND, ...words], { env, timeout: COMMAND_LIMIT_MS });
  const pieces: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (piece: string) => {
      pieces.push(piece);
      // It listens: a person asks it for a report, and ends it.
      if (words[0] !== 'serve' || pieces.length > 1) return;
      child.kill('SIGUSR2');
      setTimeout(() => child.kill('SIGINT'), REPORT_MS);
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return placeOf(`blockferry ${words.join(' ').slice(0, 60)} (${code})`, pieces.join(''));
}
