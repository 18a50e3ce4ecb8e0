import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod/mini';
import { parseVmId } from '#lib/units.ts';
import { UnexpectedReply } from '#lib/xapi/failures.ts';
import { addPurpose, hasPurpose, readAllNetworks, readAllPifs } from '#lib/xapi/network.ts';
import { readAllHosts, readPool } from '#lib/xapi/pool.ts';
import { findSr, readSr, readSrTypesWithCbt } from '#lib/xapi/sr.ts';
import { destroyVbd, readAllVbds, readVbd } from '#lib/xapi/vbd.ts';
import { findVm, readRealVms, readVm } from '#lib/xapi/vm.ts';
import { networkRef, vbdRef } from '#lib/xapi/wire-types.ts';
import { answering, failureOf, SESSION } from './fake-host.ts';
import { array, bool, i4, refusal, struct, success, untyped, type Wire } from './fake-xml.ts';

const UUID = '0d15c000-1111-2222-3333-444455556666';
const REF = `OpaqueRef:${UUID}`;
const OTHER = 'OpaqueRef:0d15c000-1111-2222-3333-000000000002';
const NONE = untyped('OpaqueRef:NULL');

const vmWire = (other: Record<string, Wire> = {}): Wire =>
  struct({
    uuid: untyped(UUID),
    name_label: untyped('web'),
    name_description: untyped(''),
    power_state: untyped('Running'),
    is_a_template: bool(false),
    is_a_snapshot: bool(false),
    is_control_domain: bool(false),
    snapshot_of: NONE,
    VBDs: array([untyped(OTHER)]),
    tags: array([]),
    other_config: struct({}),
    ...other,
  });

test('the VMs that a policy selects from are no templates, snapshots or control domains', async () => {
  const { session } = await answering({
    'VM.get_by_uuid': untyped(REF),
    'VM.get_record': vmWire(),
    'VM.get_all_records': struct({
      'OpaqueRef:vm': vmWire(),
      'OpaqueRef:template': vmWire({ is_a_template: bool(true) }),
      'OpaqueRef:snapshot': vmWire({ is_a_snapshot: bool(true), is_a_template: bool(true) }),
      'OpaqueRef:dom0': vmWire({ is_control_domain: bool(true) }),
    }),
  });
  assert.deepEqual(
    (await readRealVms(session)).map((vm) => vm.ref),
    ['OpaqueRef:vm'],
  );
  const vm = await findVm(session, parseVmId(UUID));
  assert.deepEqual(await readVm(session, vm), {
    uuid: UUID,
    nameLabel: 'web',
    nameDescription: '',
    powerState: 'Running',
    isTemplate: false,
    isSnapshot: false,
    isControlDomain: false,
    snapshotOf: null,
    vbds: [OTHER],
    tags: [],
    otherConfig: {},
  });
});

test('an empty CD drive has no disk; destroying an attachment that is gone succeeds', async () => {
  const cd = struct({
    uuid: untyped(UUID),
    VM: untyped(OTHER),
    VDI: NONE,
    type: untyped('CD'),
    empty: bool(true),
    mode: untyped('RO'),
    bootable: bool(false),
    device: untyped(''),
    userdevice: untyped('3'),
    currently_attached: bool(false),
  });
  const { host, session } = await answering({ 'VBD.get_record': cd, 'VBD.get_all_records': struct({ [REF]: cd }) });
  const vbd = z.parse(vbdRef, REF);
  const record = await readVbd(session, vbd);
  assert.deepEqual([record.vdi, record.type, record.empty, record.userDevice], [null, 'CD', true, '3']);
  assert.deepEqual(
    (await readAllVbds(session)).map((found) => [found.ref, found.vm]),
    [[REF, OTHER]],
  );
  host.answers.set('VBD.destroy', () => refusal('HANDLE_INVALID', 'VBD', REF));
  await destroyVbd(session, vbd);
});

test('an SR says its space, and the drivers say which SR types track changed blocks', async () => {
  const driver = (type: string, features: Record<string, Wire>): Wire =>
    struct({ type: untyped(type), features: struct(features) });
  const { session } = await answering({
    'SR.get_by_uuid': untyped(REF),
    'SR.get_record': struct({
      uuid: untyped(UUID),
      name_label: untyped('Local'),
      type: untyped('ext'),
      shared: bool(false),
      physical_size: untyped(1_000),
      physical_utilisation: untyped(900),
      allowed_operations: array([untyped('vdi_snapshot')]),
      other_config: struct({}),
      tags: array([]),
    }),
    'SM.get_all_records': struct({
      'OpaqueRef:a': driver('ext', { VDI_CONFIG_CBT: untyped(1) }),
      'OpaqueRef:b': driver('linstor', { VDI_SNAPSHOT: untyped(1) }),
      'OpaqueRef:c': driver('zfs', { VDI_CONFIG_CBT: i4(1) }),
    }),
  });
  const record = await readSr(session, await findSr(session, UUID));
  assert.deepEqual([record.type, record.physicalBytes, record.usedBytes], ['ext', 1_000, 900]);
  assert.deepEqual([...(await readSrTypesWithCbt(session))], ['ext', 'zfs']);
});

test('the pool names its coordinator and whether the licence refuses changed block tracking', async () => {
  const pool = (restrictions: Record<string, Wire>): Wire =>
    struct({
      uuid: untyped(UUID),
      name_label: untyped(''),
      master: untyped(OTHER),
      restrictions: struct(restrictions),
    });
  const { host, session } = await answering({
    'pool.get_all_records': struct({ [REF]: pool({ restrict_cbt: untyped('true') }) }),
  });
  assert.deepEqual(await readPool(session), {
    ref: REF,
    uuid: UUID,
    nameLabel: '',
    coordinator: OTHER,
    cbtRestricted: true,
  });
  host.answers.set('pool.get_all_records', () => success(struct({ [REF]: pool({}) })));
  assert.equal((await readPool(session)).cbtRestricted, false);
  host.answers.set('pool.get_all_records', () => success(struct({})));
  assert.ok((await failureOf(readPool(session))) instanceof UnexpectedReply);
});

test('a host says its address, version and certificate', async () => {
  const record = struct({
    uuid: untyped(UUID),
    name_label: untyped('xen1'),
    hostname: untyped('xen1.example'),
    address: untyped('10.0.0.1'),
    enabled: bool(true),
    API_version_major: untyped(2),
    API_version_minor: untyped(21),
    software_version: struct({ product_brand: untyped('XCP-ng') }),
  });
  const { session } = await answering({
    'host.get_all_records': struct({ [REF]: record }),
  });
  assert.deepEqual(
    (await readAllHosts(session)).map((found) => [found.ref, found.address, found.apiVersion]),
    [[REF, '10.0.0.1', { major: 2, minor: 21 }]],
  );
});

test('only a network with the purpose nbd serves NBD with TLS', async () => {
  const network = (purpose: Record<string, Wire>): Wire =>
    struct({
      uuid: untyped(UUID),
      name_label: untyped('n'),
      bridge: untyped('xenbr0'),
      PIFs: array([untyped(OTHER)]),
      ...purpose,
    });
  const { host, session } = await answering({
    'network.get_all_records': struct({
      'OpaqueRef:a': network({ purpose: array([untyped('nbd')]) }),
      'OpaqueRef:b': network({ purpose: array([untyped('insecure_nbd')]) }),
      'OpaqueRef:c': network({}),
    }),
    'network.add_purpose': untyped(''),
    'PIF.get_all_records': struct({
      [OTHER]: struct({
        uuid: untyped(UUID),
        device: untyped('eth0'),
        host: untyped(REF),
        network: untyped('OpaqueRef:a'),
        IP: untyped(''),
        currently_attached: bool(true),
        management: bool(true),
      }),
    }),
  });
  const networks = await readAllNetworks(session);
  assert.deepEqual(
    networks.map((found) => [found.ref, hasPurpose(found, 'nbd')]),
    [
      ['OpaqueRef:a', true],
      ['OpaqueRef:b', false],
      ['OpaqueRef:c', false],
    ],
  );
  assert.equal((await readAllPifs(session))[0]?.ipv4, null);
  await addPurpose(session, z.parse(networkRef, 'OpaqueRef:b'), 'nbd');
  assert.deepEqual(host.calls.at(-1)?.params, [SESSION, 'OpaqueRef:b', 'nbd']);
});
