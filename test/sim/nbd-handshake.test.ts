import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { ApiClient } from './api-client.ts';
import { NbdBytes, optionReplyType } from './nbd-bytes.ts';

const MIB = 1_048_576;
const [EXPORT_NAME, ABORT, LIST, STARTTLS, INFO, GO, STRUCTURED_REPLY] = [1, 2, 3, 5, 6, 7, 8];
const [ACK, ERR_UNSUP, ERR_POLICY, ERR_INVALID, ERR_TLS_REQD] = [1, 0x80000001, 0x80000002, 0x80000003, 0x80000005];
const FIXED_NEWSTYLE = Buffer.from([0, 0, 0, 1]);

let pool: Simulator;
let client: ApiClient;
let snapshot: { ref: string; uuid: string };
before(async () => {
  pool = await startSimulator({ timings: FAST_TIMINGS });
  client = await ApiClient.login(pool);
  const { vdis } = await pool.addVm({ name: 'vm', disks: [{ sizeBytes: 4 * MIB }] });
  snapshot = await client.snapshot(vdis[0]!);
});
after(() => pool.stop());

/** Connected and past greeting and client flags. */
async function greeted(on = pool): Promise<NbdBytes> {
  const nbd = await NbdBytes.open(on);
  await nbd.take(18);
  nbd.send(FIXED_NEWSTYLE);
  return nbd;
}

async function ends(nbd: NbdBytes): Promise<void> {
  assert.equal((await nbd.rest()).length, 0);
  nbd.end();
}

test('the greeting is 18 bytes and offers fixed newstyle only, without NO_ZEROES', async () => {
  const nbd = await NbdBytes.open(pool);
  assert.equal((await nbd.take(18)).toString('hex'), '4e42444d4147494349484156454f50540001');
  nbd.end();
});

test('a client without the fixed newstyle flag is dropped when TLS is forced', async () => {
  const nbd = await NbdBytes.open(pool);
  await nbd.take(18);
  nbd.send(Buffer.alloc(4));
  await ends(nbd);
});

test('before TLS, EXPORT_NAME and ABORT end the connection without an answer', async () => {
  for (const option of [EXPORT_NAME, ABORT]) {
    const nbd = await greeted();
    nbd.option(option!, Buffer.from('/x'));
    await ends(nbd);
  }
});

test('before TLS, every other option but STARTTLS is answered with ERR_TLS_REQD', async () => {
  const nbd = await greeted();
  for (const option of [LIST, INFO, GO, STRUCTURED_REPLY, 9, 10, 999]) {
    nbd.option(option!, Buffer.from('payload'));
    assert.equal(await optionReplyType(nbd, option!), ERR_TLS_REQD);
  }
  nbd.option(STARTTLS!);
  assert.equal(await optionReplyType(nbd, STARTTLS!), ACK);
  nbd.end();
});

test('after TLS there is no second greeting; LIST is against policy, STARTTLS invalid, the rest unsupported, ABORT acknowledged', async () => {
  const nbd = await NbdBytes.secured(pool);
  const expected = [
    [LIST, ERR_POLICY],
    [STARTTLS, ERR_INVALID],
    [INFO, ERR_UNSUP],
    [GO, ERR_UNSUP],
    [STRUCTURED_REPLY, ERR_UNSUP],
    [9, ERR_UNSUP],
    [ABORT, ACK],
  ];
  for (const [option, type] of expected) {
    nbd.option(option!);
    assert.equal(await optionReplyType(nbd, option!), type, `option ${option}`);
  }
  await ends(nbd);
});

test('a wrong option magic ends the connection', async () => {
  const nbd = await greeted();
  nbd.send(Buffer.alloc(16, 1));
  await ends(nbd);
});

test('EXPORT_NAME is answered with 134 bytes: size, flags 0x0003 and zeros', async () => {
  const { client: nbd, reply } = await NbdBytes.attached(
    pool,
    `/${snapshot.uuid}?session_id=${client.session}&ignored=1`,
  );
  assert.equal(reply.readBigUInt64BE(0), BigInt(4 * MIB));
  assert.equal(reply.readUInt16BE(8), 0x0003);
  assert.deepEqual(reply.subarray(10), Buffer.alloc(124));
  nbd.end();
});

test('an export that cannot be attached is only the end of the connection', async () => {
  const reader = { username: 'weak', password: 'w', role: 'vm-operator' } as const;
  await using strict = await startSimulator({ timings: FAST_TIMINGS, users: [reader] });
  const admin = await ApiClient.login(strict);
  const weak = await ApiClient.login(strict, reader);
  const { vdis } = await strict.addVm({ name: 'vm', disks: [{ sizeBytes: 4 * MIB }] });
  await admin.call('VDI.enable_cbt', await admin.call('VDI.get_by_uuid', vdis[0]));
  const good = await admin.snapshot(vdis[0]!);
  const metadata = await admin.snapshot(vdis[0]!);
  await admin.call('VDI.data_destroy', metadata.ref);
  const names = [
    `/${good.uuid}?session_id=OpaqueRef:unknown`,
    `/${good.uuid}`,
    `/00000000-0000-0000-0000-000000000000?session_id=${admin.session}`,
    `${good.uuid}?session_id=${admin.session}`,
    `/${metadata.uuid}?session_id=${admin.session}`,
    `/${good.uuid}?session_id=${weak.session}`,
  ];
  for (const name of names) {
    const nbd = await NbdBytes.secured(strict);
    nbd.option(EXPORT_NAME!, Buffer.from(name));
    await ends(nbd);
  }
  assert.equal(strict.counters.dom0Vbds, 0);
});

test('without a purpose, connections end before the greeting; with insecure_nbd there is no TLS and LIST is against policy', async () => {
  await using open = await startSimulator({ timings: FAST_TIMINGS, networks: [{ name: 'lan' }] });
  const admin = await ApiClient.login(open);
  await ends(await NbdBytes.open(open));
  const [network] = await admin.call('network.get_all');
  await admin.call('network.add_purpose', network, 'insecure_nbd');
  const { vdis } = await open.addVm({ name: 'vm', disks: [{ sizeBytes: 4 * MIB }] });
  const nbd = await greeted(open);
  for (const [option, type] of [
    [STARTTLS, ERR_POLICY],
    [LIST, ERR_POLICY],
    [GO, ERR_UNSUP],
  ]) {
    nbd.option(option!);
    assert.equal(await optionReplyType(nbd, option!), type);
  }
  nbd.option(EXPORT_NAME!, Buffer.from(`/${(await admin.snapshot(vdis[0]!)).uuid}?session_id=${admin.session}`));
  assert.equal((await nbd.take(134)).readBigUInt64BE(0), BigInt(4 * MIB));
  nbd.end();
});

test('the 17th connection ends before the greeting, and a slot is free only after the disk was unplugged', async () => {
  await using crowded = await startSimulator({ timings: { ...FAST_TIMINGS, unplugMs: 150 } });
  const admin = await ApiClient.login(crowded);
  const { vdis } = await crowded.addVm({ name: 'vm', disks: [{ sizeBytes: 4 * MIB }] });
  const { uuid } = await admin.snapshot(vdis[0]!);
  const { client: attached } = await NbdBytes.attached(crowded, `/${uuid}?session_id=${admin.session}`);
  const others: NbdBytes[] = [];
  for (let count = 0; count < 15; count += 1) others.push(await greeted(crowded));
  await ends(await NbdBytes.open(crowded));
  attached.request({ type: 2 });
  const started = performance.now();
  await attached.rest();
  assert.ok(performance.now() - started >= 140, 'the end of the stream comes after unplugging');
  assert.equal(crowded.counters.dom0Vbds, 0);
  const next = await NbdBytes.open(crowded);
  assert.equal((await next.take(18)).length, 18);
  for (const nbd of [...others, next, attached]) nbd.end();
  assert.equal(crowded.counters.nbdConnectionsRefused, 1);
});

test('the NBD server may present an older certificate than get_nbd_info returns', async () => {
  await using stale = await startSimulator({ timings: FAST_TIMINGS, faults: { nbdCertificate: 'replaced' } });
  await assert.rejects(NbdBytes.secured(stale), /self-signed|certificate|signature/i);
});
