import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type SelectableVm, selectVms, vmsAtOnce } from '#lib/fleet/select-vms.ts';
import { parseVmId } from '#lib/units.ts';

const none = { uuids: [], names: [], tags: [] };
const vm = (digit: string, nameLabel: string, tags: string[] = []): SelectableVm => ({
  uuid: parseVmId(`${digit.repeat(8)}-0000-4000-8000-000000000000`),
  nameLabel,
  tags,
});
const web = vm('1', 'web', ['gold']);
const mail = vm('2', 'mail', ['gold', 'test']);
const scratch = vm('3', 'scratch', ['xo:no-bak']);
const vms = [web, mail, scratch];
const names = (selection: Parameters<typeof selectVms>[1]) =>
  selectVms(vms, selection, 250).selected.map(({ nameLabel }) => nameLabel);

test('a VM is selected by its uuid, its name or one of its tags, each once and in the order of names', () => {
  const select = { uuids: [web.uuid], names: ['web'], tags: ['gold'] };
  assert.deepEqual(names({ policy: 'p', select, exclude: none }), ['mail', 'web']);
});

test('all means every VM but those that are excluded or tagged xo:no-bak', () => {
  assert.deepEqual(names({ policy: 'p', select: 'all', exclude: none }), ['mail', 'web']);
  assert.deepEqual(names({ policy: 'p', select: 'all', exclude: { ...none, tags: ['test'] } }), ['web']);
  assert.deepEqual(names({ policy: 'p', select: 'all', exclude: { ...none, uuids: [mail.uuid] } }), ['web']);
});

test('what a policy names and the pool does not have is reported, not passed over', () => {
  const select = { uuids: [], names: ['web', 'wbe'], tags: ['silver'] };
  assert.deepEqual(selectVms(vms, { policy: 'p', select, exclude: none }, 250).missing, ['wbe']);
});

test('a policy that selects nothing, or more than a run can carry, is refused with what to do', () => {
  const nobody = { policy: 'nightly', select: { ...none, tags: ['silver'] }, exclude: none };
  assert.throws(() => selectVms(vms, nobody, 250), { name: 'NothingSelected', message: /nightly.*none of the 3 VMs/ });
  const all = { policy: 'nightly', select: 'all', exclude: none } as const;
  assert.throws(() => selectVms(vms, all, 1), { name: 'FleetTooLarge', message: /selects 2 VMs.*takes 1/ });
});

test('VMs at a time and their readers never need more than the 16 connections of a host', () => {
  for (let readers = 1; readers <= 16; readers++) {
    const atOnce = vmsAtOnce({ connections: 16, readers });
    assert.ok(atOnce >= 1 && atOnce * readers <= 16, `${readers} readers`);
  }
});
