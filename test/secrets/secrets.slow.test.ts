/**
 * Invariant (design, promise 8): secrets never enter a payload. They are planted in every place that has one, runs of
 * every kind are made, good and bad, and everything that was written down is searched for them in every form.
 */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { accessTo, srOf } from '../fakes/host-access.ts';
import { freePort } from '../servers/free-port.ts';
import { filesBelow, formsOf, found, type Place, placeOf } from './planted.ts';
import { type PlantedSite, startPlantedSite } from './planted-site.ts';

const CHANGED_BYTES = 4 * 65_536;

describe('planted secrets', () => {
  let planted: PlantedSite;

  before(async () => {
    planted = await startPlantedSite();
    await goodRuns(planted);
    await badRuns(planted);
    await commands(planted);
  });
  after(() => planted[Symbol.asyncDispose]());

  const assertNone = (places: readonly Place[]) => assert.deepEqual(found(planted.secrets, places), []);
  const assertSearched = (places: readonly Place[], what: string) =>
    assert.ok(
      places.some(({ text }) => text.includes(what)),
      `${what} is there to be found in ${places.length} places`,
    );

  test('there is something to be found: passwords, keys, and sessions of the host', () => {
    const kinds = new Set([...planted.secrets.keys()].map((name) => name.replace(/ OpaqueRef.*/, '')));
    assert.equal(kinds.size, 8, [...kinds].join());
  });

  test('no state, input, output, variable, error or event of an execution holds one', () => {
    const executions = planted.site.executions.map(({ executionArn, ...rest }) =>
      placeOf(executionArn, JSON.stringify({ ...rest, history: [] })),
    );
    const events = planted.site.executions.flatMap(({ executionArn, history, input, output, error, cause }) => [
      placeOf(executionArn, JSON.stringify({ input, output, error, cause })),
      ...history.map((event) => placeOf(`${executionArn}, event ${event.id} ${event.type}`, JSON.stringify(event))),
    ]);
    assertSearched(events, planted.vm.uuid);
    assertNone([...executions, ...events]);
  });

  test('no log line and no metric holds one', () => {
    const lines = planted.site.logs.map((line) => placeOf('log', line));
    assertSearched(lines, 'step-failed');
    assertSearched(lines, '_aws');
    assertNone(lines);
  });

  test('no connection object outlives its run', async () => {
    const keys = (await planted.objects()).map(({ name }) => name);
    assert.deepEqual(
      keys.filter((key) => key.startsWith('site/connections/')),
      [],
    );
  });

  test('no diagnostic report of Node holds one', async () => {
    const reports = await filesBelow(planted.reports, /^$/);
    assertSearched(reports, '"javascriptStack"');
    assertNone(reports);
  });

  test('no temporary file holds one', async () => {
    const files = await filesBelow(planted.temporary, /\/xenserver-|\.(js|mjs|map)$/);
    assertSearched(files, 'restored.raw');
    assertNone(files);
  });
});

test('a secret is found in every form, wherever it begins', () => {
  const secret = 'planted "secret" <&> ü/+ 0123456789';
  for (const [form, text] of formsOf(secret)) {
    assert.notDeepEqual(found(new Map([['it', secret]]), [placeOf('here', `before ${text} behind`)]), [], form);
  }
  for (let shift = 0; shift < 6; shift++) {
    const encoded = Buffer.from(`${'x'.repeat(shift)}${secret} and more`).toString('base64');
    assert.notDeepEqual(found(new Map([['it', secret]]), [placeOf('here', encoded)]), [], `base64 behind ${shift}`);
  }
  assert.deepEqual(found(new Map([['it', secret]]), [placeOf('here', 'planted secret 0123456789')]), []);
});

async function goodRuns({ site, vm }: PlantedSite): Promise<void> {
  for (let run = 0; run < 2; run++) {
    const { status, error, cause } = await site.run('backup', { pool: 'good', vm: vm.uuid });
    assert.equal(status, 'SUCCEEDED', `${error}: ${cause}`);
  }
  const access = await accessTo(site.sim);
  const sr = await srOf(access);
  await access.session[Symbol.asyncDispose]();
  const { status, error, cause } = await site.run('restore', { pool: 'good', point: 'latest', sr });
  assert.equal(status, 'SUCCEEDED', `${error}: ${cause}`);
}

/** Each ends in a failure of its own; some hosts quote in it what they were told. */
async function badRuns({ site, vm, secrets }: PlantedSite): Promise<void> {
  const { faults } = site.sim;
  const ends = async (error: RegExp, request: Record<string, unknown> = {}) => {
    site.sim.write(vm.vdis[0] ?? '', 0, randomBytes(CHANGED_BYTES));
    const execution = await site.run('backup', { pool: 'good', vm: vm.uuid, ...request });
    assert.match(`${execution.error}: ${execution.cause}`, error);
  };
  await ends(/^WrongCredentials/, { pool: 'wrong-password' });
  const quoted = [...secrets]
    .filter(([name]) => name === 'password' || name.startsWith('session'))
    .map(([, text]) => text);
  const text = `mount -o user=root,password=${quoted[0]} of /${vm.uuid}?session_id=${quoted.at(-1)} failed`;
  faults.calls.push({ method: 'VDI.snapshot', code: 'SR_BACKEND_FAILURE_44', params: ['', text, ''], times: 99 });
  // The host is quoted.
  await ends(/^SrFull.*mount -o/s);
  faults.calls.length = 0;
  faults.nbdCutAfterBytes = 10_000;
  await ends(/^Nbd/);
  faults.nbdCutAfterBytes = undefined;
  faults.lostAnswers = 2;
  await site.run('backup', { pool: 'good', vm: vm.uuid });
  faults.lostAnswers = 0;
  await site.run('restore', { pool: 'good', point: 'latest', sr: '00000000-0000-0000-0000-000000000000' });
  await site.run('restore', { pool: 'wrong-password', point: 'latest', sr: vm.uuid });
  await site.run('upkeep', {});
}

/** What a person does, right and wrong. */
async function commands({ command, site, secrets, temporary }: PlantedSite): Promise<void> {
  const password = secrets.get('password') ?? '';
  const wrong = { BLOCKFERRY_PASSWORD: secrets.get('wrong password') ?? '' };
  const userinfo = `root:${encodeURIComponent(password)}@`;
  const nowhere = `https://127.0.0.1:${await freePort()}`;
  const rounds: (readonly [words: readonly string[], more?: Record<string, string>])[][] = [
    [[['list']], [['doctor']], [['sweep']]],
    [[['restore', 'latest', '--to', `${temporary}/restored.raw`]], [['doctor'], wrong], [['sweep', '--host', nowhere]]],
    [
      [['doctor', '--host', site.sim.url.replace('https://', `https://${userinfo}`)]],
      [['serve', 'latest', '--socket', `${temporary}/nbd.sock`]],
      [['list'], { AWS_SECRET_ACCESS_KEY: `${secrets.get('AWS secret key')}x` }],
    ],
  ];
  for (const round of rounds) await Promise.all(round.map(([words, more]) => command(words, more)));
}
