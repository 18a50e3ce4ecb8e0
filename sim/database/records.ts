/**
 * The classes of the data model with the fields a backup client can meet. Each function returns a new record with default values;
 * the default also says what kind of value the field holds, so getters and setters are derived from it.
 */

import { Float, NULL_REF, type Value } from '#sim/wire/values.ts';

type Texts = readonly string[];
type Pairs = Readonly<Record<string, string>>;

const texts = (...values: string[]): Texts => values;
const pairs = (): Pairs => ({});
const never = (): Date => new Date(0);

const named = () => ({ uuid: '', name_label: '', name_description: '', other_config: pairs() });

export const newPool = () => ({ ...named(), master: NULL_REF, default_SR: NULL_REF, restrictions: pairs() });
export type Pool = ReturnType<typeof newPool>;

export const newHost = () => ({
  ...named(),
  address: '',
  hostname: '',
  enabled: true,
  API_version_major: 2,
  API_version_minor: 21,
  API_version_vendor: 'XenSource',
  software_version: pairs(),
  resident_VMs: texts(),
  PBDs: texts(),
  PIFs: texts(),
  control_domain: NULL_REF,
  tags: texts(),
});
export type Host = ReturnType<typeof newHost>;

export const newSr = () => ({
  ...named(),
  type: 'ext',
  content_type: 'user',
  shared: false,
  physical_size: 0,
  physical_utilisation: 0,
  virtual_allocation: 0,
  allowed_operations: texts(),
  current_operations: pairs(),
  VDIs: texts(),
  PBDs: texts(),
  tags: texts(),
  sm_config: pairs(),
});
export type Sr = ReturnType<typeof newSr>;

export const newSm = () => ({
  ...named(),
  type: '',
  vendor: '',
  version: '',
  features: pairs(),
  capabilities: texts(),
});
export type Sm = ReturnType<typeof newSm>;

export const newVm = () => ({
  ...named(),
  power_state: 'Halted',
  is_a_snapshot: false,
  is_a_template: false,
  is_control_domain: false,
  is_default_template: false,
  snapshot_of: NULL_REF,
  snapshots: texts(),
  snapshot_time: never(),
  resident_on: NULL_REF,
  affinity: NULL_REF,
  memory_static_max: 1_073_741_824,
  memory_static_min: 1_073_741_824,
  memory_dynamic_max: 1_073_741_824,
  memory_dynamic_min: 1_073_741_824,
  VCPUs_max: 1,
  VCPUs_at_startup: 1,
  HVM_boot_policy: 'BIOS order',
  HVM_boot_params: pairs(),
  platform: pairs(),
  VBDs: texts(),
  VIFs: texts(),
  tags: texts(),
  blocked_operations: pairs(),
  allowed_operations: texts('snapshot', 'start', 'clean_shutdown', 'hard_shutdown', 'destroy'),
  current_operations: pairs(),
});
export type Vm = ReturnType<typeof newVm>;

export const newVbd = () => ({
  uuid: '',
  VM: NULL_REF,
  VDI: NULL_REF,
  device: '',
  userdevice: '0',
  bootable: false,
  mode: 'RW',
  type: 'Disk',
  unpluggable: true,
  empty: false,
  currently_attached: false,
  allowed_operations: texts('attach', 'unplug'),
  other_config: pairs(),
});
export type Vbd = ReturnType<typeof newVbd>;

export const newVdi = () => ({
  ...named(),
  SR: NULL_REF,
  VBDs: texts(),
  virtual_size: 0,
  physical_utilisation: 0,
  type: 'user',
  sharable: false,
  read_only: false,
  managed: true,
  missing: false,
  storage_lock: false,
  location: '',
  is_a_snapshot: false,
  snapshot_of: NULL_REF,
  snapshots: texts(),
  snapshot_time: never(),
  on_boot: 'persist',
  cbt_enabled: false,
  is_tools_iso: false,
  allow_caching: false,
  tags: texts(),
  sm_config: pairs(),
  xenstore_data: pairs(),
  allowed_operations: texts(),
  current_operations: pairs(),
});
export type Vdi = ReturnType<typeof newVdi>;

export const newVif = () => ({
  uuid: '',
  VM: NULL_REF,
  network: NULL_REF,
  device: '0',
  MAC: '',
  MTU: 1500,
  currently_attached: false,
  other_config: pairs(),
});
export type Vif = ReturnType<typeof newVif>;

export const newNetwork = () => ({
  ...named(),
  bridge: '',
  managed: true,
  MTU: 1500,
  purpose: texts(),
  PIFs: texts(),
  VIFs: texts(),
  tags: texts(),
});
export type Network = ReturnType<typeof newNetwork>;

export const newPif = () => ({
  uuid: '',
  host: NULL_REF,
  network: NULL_REF,
  device: 'eth0',
  MAC: '',
  IP: '',
  IPv6: texts(),
  netmask: '',
  management: false,
  currently_attached: true,
  primary_address_type: 'IPv4',
  other_config: pairs(),
});
export type Pif = ReturnType<typeof newPif>;

export const newPbd = () => ({
  uuid: '',
  host: NULL_REF,
  SR: NULL_REF,
  currently_attached: true,
  device_config: pairs(),
  other_config: pairs(),
});
export type Pbd = ReturnType<typeof newPbd>;

export const newTask = () => ({
  ...named(),
  created: never(),
  finished: never(),
  status: 'pending',
  resident_on: NULL_REF,
  progress: new Float(0),
  type: '<none/>',
  result: '',
  error_info: texts(),
  session: NULL_REF,
  allowed_operations: texts('cancel'),
});
export type Task = ReturnType<typeof newTask>;

export const newMessage = () => ({
  uuid: '',
  name: '',
  priority: 3,
  cls: '',
  obj_uuid: '',
  timestamp: never(),
  body: '',
});
export type Message = ReturnType<typeof newMessage>;

export const newSession = () => ({
  uuid: '',
  this_host: NULL_REF,
  this_user: NULL_REF,
  last_active: never(),
  pool: false,
  other_config: pairs(),
  is_local_superuser: false,
  subject: NULL_REF,
  auth_user_name: '',
  originator: '',
  client_certificate: false,
});
export type Session = ReturnType<typeof newSession>;

/** Many-to-one links; the "many" side is computed when it is read, so that it can never disagree. */
export const RELATIONS = [
  { owner: 'VM', field: 'VBDs', from: 'VBD', by: 'VM' },
  { owner: 'VM', field: 'VIFs', from: 'VIF', by: 'VM' },
  { owner: 'VM', field: 'snapshots', from: 'VM', by: 'snapshot_of' },
  { owner: 'VDI', field: 'VBDs', from: 'VBD', by: 'VDI' },
  { owner: 'VDI', field: 'snapshots', from: 'VDI', by: 'snapshot_of' },
  { owner: 'SR', field: 'VDIs', from: 'VDI', by: 'SR' },
  { owner: 'SR', field: 'PBDs', from: 'PBD', by: 'SR' },
  { owner: 'host', field: 'PBDs', from: 'PBD', by: 'host' },
  { owner: 'host', field: 'PIFs', from: 'PIF', by: 'host' },
  { owner: 'host', field: 'resident_VMs', from: 'VM', by: 'resident_on' },
  { owner: 'network', field: 'PIFs', from: 'PIF', by: 'network' },
  { owner: 'network', field: 'VIFs', from: 'VIF', by: 'network' },
] as const;

export type Row = Readonly<Record<string, Value>>;
