/** Values of a host's API once the XML is off: records, the bitmap of changed blocks, the beginning of a VHD. */

import { Secret } from '#lib/secret.ts';
import { parseDiskId } from '#lib/units.ts';
import { parseReply } from '#lib/xapi/api-call.ts';
import { changedBlocks } from '#lib/xapi/cbt.ts';
import { readNbdInfo } from '#lib/xapi/nbd-info.ts';
import { readAllNetworks, readAllPifs } from '#lib/xapi/network.ts';
import { readAllHosts, readPool } from '#lib/xapi/pool.ts';
import type { XapiCaller } from '#lib/xapi/session.ts';
import { readSr } from '#lib/xapi/sr.ts';
import { pollTask } from '#lib/xapi/task.ts';
import { readVbd } from '#lib/xapi/vbd.ts';
import { readVdi } from '#lib/xapi/vdi.ts';
import { readVhdTable } from '#lib/xapi/vhd-table.ts';
import { readRealVms, readVm } from '#lib/xapi/vm.ts';
import { srRef, taskRef, vbdRef, vdiRef, vmRef } from '#lib/xapi/wire-types.ts';
import type { FuzzTarget } from '../target.ts';

const SECRETS = [new Secret('OpaqueRef:5e55')];
const REF = 'OpaqueRef:1';
const UUID = '0d15c000-1111-4222-8333-444455556666';
const DATE = { $date: '2026-01-05T12:00:00Z' };
const vm = {
  uuid: UUID,
  name_label: 'web',
  name_description: '',
  power_state: 'Running',
  is_a_template: false,
  is_a_snapshot: false,
  is_control_domain: false,
  snapshot_of: 'OpaqueRef:NULL',
  VBDs: [REF],
  tags: [],
  other_config: {},
};
const vdi = {
  uuid: UUID,
  name_label: 'root',
  name_description: '',
  SR: REF,
  type: 'user',
  virtual_size: '1024',
  physical_utilisation: '0',
  is_a_snapshot: false,
  snapshot_of: '',
  snapshots: [],
  snapshot_time: DATE,
  VBDs: [],
  sharable: false,
  read_only: false,
  managed: true,
  missing: false,
  on_boot: 'persist',
  other_config: {},
  sm_config: {},
  tags: [],
  cbt_enabled: true,
};
const sr = {
  uuid: UUID,
  name_label: 'a',
  type: 'ext',
  content_type: '',
  shared: false,
  physical_size: '1',
  physical_utilisation: '0',
  virtual_allocation: '0',
  VDIs: [],
  PBDs: [],
  other_config: {},
  sm_config: {},
  tags: [],
};
const nbd = [{ exportname: '/a?session_id=x', address: '192.0.2.1', port: '10809', cert: 'PEM', subject: 'host' }];
const task = {
  status: 'success',
  result: '<value>OpaqueRef:1</value>',
  error_info: [],
  progress: 1,
  created: DATE,
  finished: DATE,
};
const vbd = {
  uuid: UUID,
  VM: REF,
  VDI: REF,
  type: 'Disk',
  empty: false,
  mode: 'RW',
  bootable: true,
  userdevice: '0',
  currently_attached: true,
  device: 'xvda',
};
const SEEDS = {
  vm,
  vms: { [REF]: vm },
  vdi,
  sr,
  vbd,
  nbd,
  task,
  pool: { [REF]: { uuid: UUID, name_label: 'pool', master: REF, default_SR: REF, restrictions: {}, other_config: {} } },
};

type Reader = (session: XapiCaller) => Promise<unknown>;
const READERS: Readonly<Record<string, Reader>> = {
  vm: (session) => readVm(session, vmRef.parse(REF)),
  vms: readRealVms,
  vdi: (session) => readVdi(session, vdiRef.parse(REF)),
  sr: (session) => readSr(session, srRef.parse(REF)),
  vbd: (session) => readVbd(session, vbdRef.parse(REF)),
  nbd: (session) => readNbdInfo(session, vdiRef.parse(REF)),
  task: (session) => pollTask(session, { task: taskRef.parse(REF), result: vdiRef }),
  pool: readPool,
  hosts: readAllHosts,
  networks: readAllNetworks,
  pifs: readAllPifs,
};

const revived = (_key: string, value: unknown) =>
  typeof value === 'object' && value !== null && '$date' in value ? new Date(String(value.$date)) : value;

/** `{ <reader>: value }`: what the deserializer would give, with dates as `{ $date }`. */
export const records: FuzzTarget = {
  name: 'xapi-records',
  from: 'host',
  isJson: true,
  seeds: () => Object.entries(SEEDS).map(([reader, value]) => Buffer.from(JSON.stringify({ [reader]: value }))),
  refusals: ['SyntaxError'],
  async parse(input) {
    const [found] = Object.entries(JSON.parse(input.toString(), revived) ?? {});
    const [name = '', value] = found ?? [];
    const read: XapiCaller['read'] = async (method, _params, reply) => parseReply(reply, value, method);
    const session = { read, change: read, secrets: SECRETS, hostName: 'fuzz' } as XapiCaller;
    const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
    await reader?.(session);
    return name in SEEDS ? name : 'none';
  },
};

export const bitmapReply: FuzzTarget = {
  name: 'changed-blocks',
  from: 'host',
  seeds: () => ['gEA=', '', '/////w==', 'AAAA'].map((text) => Buffer.from(text)),
  dictionary: ['=', '==', '====', '-', '_'],
  parse(input) {
    const bytes = parseReply(changedBlocks, input.toString('latin1'), 'fuzz');
    if (bytes.length > input.length) throw new Error(`${bytes.length} bytes of ${input.length} characters`);
    return 'a bitmap';
  },
};

const BLOCK_BYTES = 2 * 1_048_576;

function vhd(blocks: number, present: readonly number[]): Buffer {
  const bytes = Buffer.alloc(1536 + blocks * 4, 0xff);
  bytes.fill(0, 0, 1536);
  bytes.write('conectix', 0);
  bytes.writeBigUInt64BE(512n, 16);
  bytes.writeBigUInt64BE(BigInt(blocks * BLOCK_BYTES), 48);
  bytes.writeUInt32BE(3, 60);
  bytes.write('cxsparse', 512);
  bytes.writeBigUInt64BE(1536n, 512 + 16);
  bytes.writeUInt32BE(blocks, 512 + 28);
  bytes.writeUInt32BE(BLOCK_BYTES, 512 + 32);
  for (const block of present) bytes.writeUInt32BE(100 + block, 1536 + block * 4);
  return sealed(bytes);
}

/** Checksums that fit, so that what is behind them is reached too. */
function sealed(bytes: Buffer): Buffer {
  for (const [start, length, at] of [
    [0, 512, 64],
    [512, 1024, 36],
  ] as const) {
    if (bytes.length < start + length) continue;
    bytes.writeUInt32BE(0, start + at);
    const sum = bytes.subarray(start, start + length).reduce((total, byte) => total + byte, 0);
    bytes.writeUInt32BE(~sum >>> 0, start + at);
  }
  return bytes;
}

/** The last byte says whether the checksums are made to fit. */
export const vhdTable: FuzzTarget = {
  name: 'vhd-table',
  from: 'host',
  seeds: () => [vhd(6, [0, 1, 4]), vhd(1, []), vhd(64, [63])],
  dictionary: ['conectix', 'cxsparse', 'HTTP/1.1 500'],
  parse(input) {
    const bytes = (input.at(-1) ?? 0) % 4 === 0 ? input : sealed(input);
    const table = readVhdTable(bytes);
    if ('needBytes' in table) return 'more';
    let end = -1;
    for (const range of table.allocated) {
      if (range.start <= end || range.end <= range.start || range.end > table.diskBytes)
        throw new Error(`range ${range.start}-${range.end} of ${table.diskBytes}`);
      end = range.end;
    }
    return 'a table';
  },
};

export const diskUuid: FuzzTarget = {
  name: 'identifiers',
  from: 'host',
  seeds: () => [Buffer.from(UUID)],
  parse: (input) => parseDiskId(input.toString()) === input.toString() && 'a uuid',
};
