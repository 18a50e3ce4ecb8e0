import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openHostSession } from '#lib/backup/host-access.ts';
import { NbdPurposesConflict, NbdStillSilent, UnknownNetwork } from '#lib/host/failures.ts';
import { disableNbd, enableNbd, findNetwork, readNbdNetworks, waitForNbd, whyNoNbd } from '#lib/host/nbd-networks.ts';
import { NetworkPurposeRefused } from '#lib/xapi/failures.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import type { SimulatorOptions } from '#sim/simulator.ts';
import { LoneSite } from '../fakes/lone-site.ts';

async function withPool(options: SimulatorOptions, look: (session: XapiSession, site: LoneSite) => Promise<void>) {
  await using site = await LoneSite.start(options);
  await site.sim.addVm({ name: 'web', disks: [{ sizeBytes: 65_536 }] });
  const time = { clock: site.clock, signal: AbortSignal.timeout(20_000) };
  await using session = await openHostSession(site.pool, undefined, time);
  await look(session, site);
}

const TWO = [{ name: 'front' }, { name: 'back' }];

test('a network is given the purpose and then its server answers', () =>
  withPool({ networks: TWO }, async (session, site) => {
    const networks = await readNbdNetworks(session);
    await enableNbd(session, networks, { network: findNetwork(networks, 'back'), purpose: 'nbd' });
    const answers = await waitForNbd(session, { clock: site.clock, signal: AbortSignal.timeout(20_000) });
    assert.deepEqual(
      answers.map(({ kind, tls }) => ({ kind, tls })),
      [{ kind: 'serves', tls: true }],
    );
    const purposes = (await readNbdNetworks(session)).map(({ network }) => [network.nameLabel, network.purposes]);
    assert.deepEqual(Object.fromEntries(purposes), { front: [], back: ['nbd'] });
  }));

test('the mix of both purposes is refused with the networks that are in the way', () =>
  withPool({ networks: [{ name: 'front', purposes: ['insecure_nbd'] }, { name: 'back' }] }, async (session) => {
    const networks = await readNbdNetworks(session);
    const wish = { network: findNetwork(networks, 'back'), purpose: 'nbd' } as const;
    await assert.rejects(enableNbd(session, networks, wish), (failure) => {
      assert.ok(failure instanceof NbdPurposesConflict);
      assert.match(failure.message, /"front"/);
      return true;
    });
  }));

test('a network that the pool does not manage is refused with what to choose instead', () =>
  withPool({ networks: [{ name: 'internal', managed: false }] }, async (session) => {
    const networks = await readNbdNetworks(session);
    const wish = { network: findNetwork(networks, 'internal'), purpose: 'nbd' } as const;
    await assert.rejects(enableNbd(session, networks, wish), (failure) => {
      assert.ok(failure instanceof NetworkPurposeRefused);
      assert.match(failure.message, /NETWORK_UNMANAGED .*Choose a network that the pool manages/);
      return true;
    });
  }));

test('a server that never answers is reported with what was seen', () =>
  withPool({ faults: { nbdRefuses: true } }, async (session, site) => {
    const waiting = waitForNbd(session, { clock: site.clock, signal: AbortSignal.timeout(20_000) });
    await assert.rejects(waiting, (failure) => {
      assert.ok(failure instanceof NbdStillSilent);
      assert.match(failure.message, /127\.0\.0\.1:\d+ is full/);
      return true;
    });
  }));

test('disabling takes away whichever purpose the network has', () =>
  withPool({ networks: [{ name: 'lab', purposes: ['insecure_nbd'] }] }, async (session) => {
    await disableNbd(session, findNetwork(await readNbdNetworks(session), 'lab'));
    assert.match(whyNoNbd(await readNbdNetworks(session)), /no network has the purpose nbd \(there are "lab"\)/);
  }));

test('an interface without an address is named when there is no NBD address', () =>
  withPool({}, async (session, site) => {
    const { PIF } = site.sim.world.db;
    for (const pif of PIF.refs()) PIF.update(pif, { IP: '' });
    assert.match(whyNoNbd(await readNbdNetworks(session)), /eth0 of xenhost1\.test .* has no IPv4 address/);
  }));

test('a name that no network or two networks have is refused with the list of all', () =>
  withPool({ networks: [{ name: 'same' }, { name: 'same' }] }, async (session) => {
    const networks = await readNbdNetworks(session);
    assert.throws(() => findNetwork(networks, 'same'), UnknownNetwork);
    assert.throws(() => findNetwork(networks, 'none'), /0 networks are called "none"; the pool has same/);
  }));
