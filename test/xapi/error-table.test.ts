import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '#lib/secret.ts';
import { refusalFrom } from '#lib/xapi/api-error.ts';
import { ERROR_TABLE } from '#lib/xapi/error-table.ts';
import { NotCoordinator, VdiInUse } from '#lib/xapi/failures.ts';

const VDI = 'OpaqueRef:0d15c000-0000-0000-0000-000000000001';
const context = { call: `VDI.destroy of ${VDI}`, host: 'xen1.example', secrets: [] };

/** Code, parameters as the host sends them, the class it becomes, the reaction, and whether the workflow may retry. */
const EXPECTED: readonly [string, readonly string[], string, string, 'transient' | 'permanent'][] = [
  ['HOST_IS_SLAVE', ['10.0.0.1'], 'NotCoordinator', 'follow', 'permanent'],
  ['SESSION_INVALID', ['OpaqueRef:5'], 'SessionLost', 'log-in-again', 'transient'],
  ['SESSION_AUTHENTICATION_FAILED', ['backup', 'pam'], 'WrongCredentials', 'give-up', 'permanent'],
  ['RBAC_PERMISSION_DENIED', ['vdi.snapshot', 'no'], 'RoleInsufficient', 'give-up', 'permanent'],
  ['HOST_STILL_BOOTING', [], 'HostBooting', 'retry-slowly', 'transient'],
  ['HOST_IN_EMERGENCY_MODE', [], 'HostBooting', 'retry-slowly', 'transient'],
  ['OTHER_OPERATION_IN_PROGRESS', ['SR', 'r'], 'OperationInProgress', 'retry-slowly', 'transient'],
  ['VDI_IN_USE', [VDI, 'destroy'], 'VdiInUse', 'retry', 'transient'],
  ['VDI_NO_CBT_METADATA', [VDI], 'CbtMetadataMissing', 'full', 'permanent'],
  ['VDI_CBT_ENABLED', [VDI], 'OperationNotAllowed', 'give-up', 'permanent'],
  ['VDI_INCOMPATIBLE_TYPE', [VDI, 'CBT metadata'], 'DiskUnsupported', 'skip-disk', 'permanent'],
  ['OPERATION_NOT_ALLOWED', ['VDI is not a snapshot'], 'OperationNotAllowed', 'give-up', 'permanent'],
  ['VM_BAD_POWER_STATE', ['r', 'Running', 'Halted'], 'OperationNotAllowed', 'give-up', 'permanent'],
  ['SR_OPERATION_NOT_SUPPORTED', ['r'], 'CbtUnavailable', 'full', 'permanent'],
  ['UNIMPLEMENTED_IN_SM_BACKEND', ['r'], 'CbtUnavailable', 'full', 'permanent'],
  ['LICENCE_RESTRICTION', ['CBT'], 'CbtUnavailable', 'full', 'permanent'],
  ['VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION', [], 'DiskUnsupported', 'skip-disk', 'permanent'],
  ['VDI_IS_SHARABLE', [VDI], 'DiskUnsupported', 'skip-disk', 'permanent'],
  ['VDI_IS_A_PHYSICAL_DEVICE', [VDI], 'DiskUnsupported', 'skip-disk', 'permanent'],
  ['SR_BACKEND_FAILURE_66', ['', 'raw', ''], 'DiskUnsupported', 'skip-disk', 'permanent'],
  ['SR_FULL', ['10', '5'], 'SrFull', 'next-run', 'permanent'],
  ['SR_SOURCE_SPACE_INSUFFICIENT', ['r'], 'SrFull', 'next-run', 'permanent'],
  ['SR_BACKEND_FAILURE_44', ['', 'no space', ''], 'SrFull', 'next-run', 'permanent'],
  ['SR_BACKEND_FAILURE_109', ['', 'chain', ''], 'ChainTooLong', 'next-run', 'permanent'],
  ['SR_BACKEND_FAILURE_457', ['', 'activate', ''], 'CbtSwitchFailed', 'retry-once', 'transient'],
  ['SR_BACKEND_FAILURE_458', ['', 'deactivate', ''], 'CbtSwitchFailed', 'retry-once', 'transient'],
  ['SR_BACKEND_FAILURE_459', ['', 'inconsistent', ''], 'CbtChainBroken', 'full', 'permanent'],
  ['SR_BACKEND_FAILURE_460', ['', 'unrelated', ''], 'CbtChainBroken', 'full', 'permanent'],
  ['SR_BACKEND_FAILURE_46', ['', 'vdi unavailable', ''], 'StorageUnavailable', 'retry-slowly', 'transient'],
  ['SR_BACKEND_FAILURE_47', ['', 'sr unavailable', ''], 'StorageUnavailable', 'retry-slowly', 'transient'],
  ['SR_BACKEND_FAILURE_65', ['', 'load', ''], 'StorageUnavailable', 'retry-slowly', 'transient'],
  ['SR_BACKEND_FAILURE_79', ['', 'too large', ''], 'DiskTooLarge', 'give-up', 'permanent'],
  ['VDI_TOO_LARGE', [VDI], 'DiskTooLarge', 'give-up', 'permanent'],
  ['SR_NO_PBDS', ['r'], 'StorageDetached', 'give-up', 'permanent'],
  ['SR_NOT_ATTACHED', ['r'], 'StorageDetached', 'give-up', 'permanent'],
  ['VDI_MISSING', ['r', VDI], 'DiskMissing', 'give-up', 'permanent'],
  ['VDI_NOT_MANAGED', [VDI], 'DiskMissing', 'give-up', 'permanent'],
  ['HANDLE_INVALID', ['VDI', VDI], 'ObjectGone', 'treat-as-done', 'permanent'],
  ['UUID_INVALID', ['VDI', 'u'], 'ObjectGone', 'treat-as-done', 'permanent'],
  ['HOST_OFFLINE', ['r'], 'HostOffline', 'retry', 'transient'],
  ['CANNOT_CONTACT_HOST', ['r'], 'HostOffline', 'retry', 'transient'],
  ['NETWORK_INCOMPATIBLE_PURPOSES', ['nbd', 'insecure_nbd'], 'NetworkPurposeRefused', 'give-up', 'permanent'],
  ['NETWORK_UNMANAGED', ['r'], 'NetworkPurposeRefused', 'give-up', 'permanent'],
  ['VDI_IO_ERROR', ['EIO'], 'DiskIoFailed', 'retry-once', 'transient'],
  ['TASK_CANCELLED', ['r'], 'TaskCancelled', 'give-up', 'permanent'],
  ['NOT_SUPPORTED_DURING_UPGRADE', [], 'UpgradeInProgress', 'skip-run', 'permanent'],
  ['INTERNAL_ERROR', ['Not_found'], 'HostInternalError', 'retry-once', 'transient'],
  ['MESSAGE_METHOD_UNKNOWN', ['VDI.x'], 'CallUnsupported', 'give-up', 'permanent'],
  ['MESSAGE_PARAMETER_COUNT_MISMATCH', ['VDI.x', '2', '3'], 'CallUnsupported', 'give-up', 'permanent'],
];

for (const [code, params, name, reaction, retry] of EXPECTED) {
  test(`${code} becomes ${name}: ${reaction}, ${retry}`, () => {
    const failure = refusalFrom([code, ...params], context);
    assert.equal(failure.name, name);
    assert.equal(failure.code, code);
    assert.equal(failure.reaction, reaction);
    assert.equal(failure.transient, retry === 'transient');
    assert.match(failure.message, new RegExp(`^VDI\\.destroy of ${VDI} on xen1\\.example was refused: ${code}`));
    assert.match(failure.message, /\. [A-Z].*\.$/, 'ends with a sentence of cure');
  });
}

test('the table has no row that is not listed here', () => {
  assert.deepEqual([...ERROR_TABLE.keys()].sort(), EXPECTED.map(([code]) => code).sort());
});

test('a code that nobody knows is shown with its parameters and never retried', () => {
  for (const code of ['SR_BACKEND_FAILURE_82', 'MAP_DUPLICATE_KEY', 'constructor', '__proto__']) {
    const failure = refusalFrom([code, 'VDI', 'other_config'], context);
    assert.equal(failure.name, 'XapiError');
    assert.equal(failure.reaction, 'give-up');
    assert.equal(failure.transient, false);
    assert.match(failure.message, /param1 VDI, param2 other_config/);
  }
});

test('an error without a code is a failure all the same', () => {
  assert.equal(refusalFrom([], context).name, 'XapiError');
});

test('VDI_IN_USE names what the host names: nothing, the disk, or the disk and the operation', () => {
  const named = (params: readonly string[]) => {
    const failure = refusalFrom(['VDI_IN_USE', ...params], context);
    assert.ok(failure instanceof VdiInUse);
    return [failure.details['vdi'], failure.details['operation']];
  };
  assert.deepEqual(named([]), [undefined, undefined]);
  assert.deepEqual(named([VDI]), [VDI, undefined]);
  assert.deepEqual(named([VDI, 'data_destroy']), [VDI, 'data_destroy']);
});

test('OTHER_OPERATION_IN_PROGRESS is understood with two, three and four parameters', () => {
  const all = ['SR', 'OpaqueRef:1', 'vdi_snapshot', 'OpaqueRef:2'];
  const names = ['class', 'object', 'operation', 'operationTask'];
  for (const count of [2, 3, 4]) {
    const { details } = refusalFrom(['OTHER_OPERATION_IN_PROGRESS', ...all.slice(0, count)], context);
    assert.deepEqual(
      names.map((name) => details[name]),
      names.map((_name, index) => (index < count ? all[index] : undefined)),
    );
  }
});

test('HOST_IS_SLAVE carries the address of the coordinator', () => {
  const failure = refusalFrom(['HOST_IS_SLAVE', 'fd00::5'], context);
  assert.ok(failure instanceof NotCoordinator);
  assert.equal(failure.address, 'fd00::5');
});

test('an invalid handle of class session is a lost session, and the reference in it is not shown', () => {
  const failure = refusalFrom(['HANDLE_INVALID', 'session', 'OpaqueRef:5e55'], context);
  assert.equal(failure.name, 'SessionLost');
  assert.doesNotMatch(JSON.stringify(failure) + failure.message, /5e55/);
});

test('references inside a text, foreign sessions and given secrets are taken out; a text is cut when it is long', () => {
  const secrets = [new Secret('pass&word'), new Secret('')];
  const text = `login pass&word /u?session_id=OpaqueRef:aa-1&x Http OpaqueRef%3Abb-2 ${'x'.repeat(1000)}`;
  const failure = refusalFrom(['INTERNAL_ERROR', text], { ...context, secrets });
  assert.doesNotMatch(failure.message, /pass&word|aa-1|bb-2/);
  assert.match(failure.message, /login \[secret\] \/u\?session_id=/);
  assert.ok(failure.message.length < 600);
});
