import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { z } from 'zod/mini';
import { parseDiskId } from '#lib/units.ts';
import { startDataDestroy, startEnableCbt, startListChangedBlocks } from '#lib/xapi/cbt.ts';
import { ObjectGone, UnexpectedReply } from '#lib/xapi/failures.ts';
import { readNbdInfo } from '#lib/xapi/nbd-info.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { pollTask } from '#lib/xapi/task.ts';
import { startVbdUnplug } from '#lib/xapi/vbd.ts';
import {
  findVdi,
  readAllVdis,
  readVdi,
  setVdiOtherConfig,
  startVdiCreate,
  startVdiDestroy,
  startVdiSnapshot,
} from '#lib/xapi/vdi.ts';
import { srRef, vbdRef, vdiRef } from '#lib/xapi/wire-types.ts';
import { answering, failureOf, SESSION } from './fake-host.ts';
import { array, bool, compactDate, double, refusal, struct, success, untyped, type Wire } from './fake-xml.ts';

const UUID = '0d15c000-1111-2222-3333-444455556666';
const REF = `OpaqueRef:${UUID}`;
const OTHER = 'OpaqueRef:0d15c000-1111-2222-3333-000000000002';
const TASK = 'OpaqueRef:7a5c0000-0000-0000-0000-000000000001';
const NONE = untyped('OpaqueRef:NULL');
const vdi = z.parse(vdiRef, REF);

const vdiWire = (other: Record<string, Wire> = {}): Wire =>
  struct({
    uuid: untyped(UUID),
    name_label: untyped('root & data'),
    name_description: untyped(''),
    location: untyped(UUID),
    allowed_operations: array([untyped('snapshot')]),
    SR: untyped(OTHER),
    VBDs: array([untyped('OpaqueRef:vbd')]),
    snapshot_of: NONE,
    snapshots: array([]),
    snapshot_time: compactDate('19700101T00:00:00Z'),
    virtual_size: untyped(2_190_433_320_960),
    physical_utilisation: untyped(-1),
    type: untyped('user'),
    sharable: bool(false),
    read_only: bool(false),
    managed: bool(true),
    missing: bool(false),
    is_a_snapshot: bool(false),
    on_boot: untyped('persist'),
    other_config: struct({ a: untyped('') }),
    sm_config: struct({}),
    tags: array([untyped('x')]),
    cbt_enabled: bool(true),
    ...other,
  });

test('a disk record becomes our types: bytes as numbers, null references as null, dates as dates', async () => {
  const { session } = await answering({ 'VDI.get_record': vdiWire() });
  assert.deepEqual(await readVdi(session, vdi), {
    uuid: UUID,
    nameLabel: 'root & data',
    nameDescription: '',
    location: UUID,
    sr: OTHER,
    type: 'user',
    virtualBytes: 2_190_433_320_960,
    physicalBytes: -1,
    isSnapshot: false,
    snapshotOf: null,
    snapshots: [],
    snapshotTime: new Date(0),
    vbds: ['OpaqueRef:vbd'],
    sharable: false,
    readOnly: false,
    managed: true,
    missing: false,
    resetsOnBoot: false,
    otherConfig: { a: '' },
    smConfig: {},
    tags: ['x'],
    cbt: 'enabled',
  });
});

test('a field of another type is unexpected, and the failure names the field and not its value', async () => {
  const { session } = await answering({ 'VDI.get_record': vdiWire({ virtual_size: untyped('huge') }) });
  const failure = await failureOf(readVdi(session, vdi));
  assert.ok(failure instanceof UnexpectedReply);
  assert.match(failure.message, new RegExp(`VDI\\.get_record of ${REF} from 127\\.0\\.0\\.1 .*virtual_size`));
  assert.doesNotMatch(inspect(failure, { depth: 9 }), /huge/);
});

test('all disks come with their references', async () => {
  const { session } = await answering({ 'VDI.get_all_records': struct({ [REF]: vdiWire(), [OTHER]: vdiWire() }) });
  assert.deepEqual(
    (await readAllVdis(session)).map((found) => found.ref),
    [REF, OTHER],
  );
});

test('a disk that does not exist is ObjectGone', async () => {
  const { host, session } = await answering({});
  host.answers.set('VDI.get_by_uuid', () => refusal('UUID_INVALID', 'VDI', UUID));
  const failure = await failureOf(findVdi(session, parseDiskId(UUID)));
  assert.ok(failure instanceof ObjectGone);
  assert.equal(failure.details['object'], UUID);
});

test('each operation that can take long is started as a task with the parameters the host expects', async () => {
  const other = z.parse(vdiRef, OTHER);
  const vbd = z.parse(vbdRef, REF);
  const started: [string, readonly unknown[], (session: XapiSession) => Promise<{ task: string }>][] = [
    ['VDI.snapshot', [REF, {}], (session) => startVdiSnapshot(session, vdi)],
    ['VDI.destroy', [REF], (session) => startVdiDestroy(session, vdi)],
    ['VDI.enable_cbt', [REF], (session) => startEnableCbt(session, vdi)],
    ['VDI.data_destroy', [REF], (session) => startDataDestroy(session, vdi)],
    ['VDI.list_changed_blocks', [OTHER, REF], (session) => startListChangedBlocks(session, { from: other, to: vdi })],
    ['VBD.unplug', [REF], (session) => startVbdUnplug(session, vbd)],
  ];
  for (const [method, params, start] of started) {
    const { host, session } = await answering({ [`Async.${method}`]: untyped(TASK) });
    assert.equal((await start(session)).task, TASK);
    assert.deepEqual(host.calls, [{ method: `Async.${method}`, params: [SESSION, ...params] }]);
  }
});

test('a new disk is described with its size as text', async () => {
  const { host, session } = await answering({ 'Async.VDI.create': untyped(TASK) });
  const disk = {
    nameLabel: 'restored',
    nameDescription: '',
    sr: z.parse(srRef, OTHER),
    virtualBytes: 10_737_418_240,
    tags: ['a'],
    otherConfig: { b: 'c' },
  };
  await startVdiCreate(session, disk);
  assert.deepEqual(host.calls[0]?.params[1], {
    name_label: 'restored',
    name_description: '',
    SR: OTHER,
    virtual_size: '10737418240',
    type: 'user',
    sharable: false,
    read_only: false,
    other_config: { b: 'c' },
    xenstore_data: {},
    sm_config: {},
    tags: ['a'],
  });
});

test('changed blocks arrive as bytes with the first block in the highest bit', async () => {
  const { session } = await answering({
    'Async.VDI.list_changed_blocks': untyped(TASK),
    'task.get_record': struct({
      name_label: untyped('Async.VDI.list_changed_blocks'),
      status: untyped('success'),
      progress: double(1),
      result: untyped('<value>gEA=</value>'),
      error_info: array([]),
    }),
  });
  const started = await startListChangedBlocks(session, { from: z.parse(vdiRef, OTHER), to: vdi });
  assert.deepEqual(await pollTask(session, started), { kind: 'success', result: Buffer.from([0x80, 0x40]) });
});

test('a torn or foreign bitmap is unexpected instead of shifted', async () => {
  const { session } = await answering({ 'Async.VDI.list_changed_blocks': untyped(TASK) });
  const { result } = await startListChangedBlocks(session, { from: z.parse(vdiRef, OTHER), to: vdi });
  for (const wrong of ['gEA', 'gE A=', 'g*A=', '<x>']) assert.equal(z.safeParse(result, wrong).success, false, wrong);
  assert.deepEqual(z.parse(result, 'gEBA'), Buffer.from([0x80, 0x40, 0x40]));
});

test('NBD addresses are IPv4 only, their export names are secret, and none is no error', async () => {
  const record = (address: string): Wire =>
    struct({
      exportname: untyped(`/${UUID}?session_id=${SESSION}`),
      address: untyped(address),
      port: untyped(10_809),
      cert: untyped('-----BEGIN CERTIFICATE-----\n'),
      subject: untyped('xen1.example'),
    });
  const { host, session } = await answering({
    'VDI.get_nbd_info': array([record('10.0.0.1'), record('fd00::5/64'), record('10.0.0.2')]),
  });
  const found = await readNbdInfo(session, vdi);
  assert.deepEqual(
    found.map((entry) => [entry.address, entry.port]),
    [
      ['10.0.0.1', 10_809],
      ['10.0.0.2', 10_809],
    ],
  );
  assert.equal(found[0]?.exportName.reveal(), `/${UUID}?session_id=${SESSION}`);
  assert.ok(!(inspect(found) + JSON.stringify(found)).includes(SESSION));
  host.answers.set('VDI.get_nbd_info', () => success(array([])));
  assert.deepEqual(await readNbdInfo(session, vdi), []);
});

test('other_config is written, an existing key being replaced', async () => {
  const done = untyped('');
  const { host, session } = await answering({
    'VDI.remove_from_other_config': done,
    'VDI.add_to_other_config': done,
  });
  await setVdiOtherConfig(session, vdi, { key: 'k', value: 'v' });
  assert.deepEqual(
    host.calls.map((call) => [call.method, ...call.params.slice(2)]),
    [
      ['VDI.remove_from_other_config', 'k'],
      ['VDI.add_to_other_config', 'k', 'v'],
    ],
  );
});
