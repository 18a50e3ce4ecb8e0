import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { ApiClient, post } from './api-client.ts';

let pool: Simulator;
let client: ApiClient;
let vdi: string;
before(async () => {
  pool = await startSimulator({ timings: FAST_TIMINGS });
  client = await ApiClient.login(pool);
  const { vdis } = await pool.addVm({ name: 'a < b & "c"', disks: [{ sizeBytes: 2 ** 40 }] });
  vdi = await client.call('VDI.get_by_uuid', vdis[0]);
});
after(() => pool.stop());

async function xml(method: string, ...params: string[]): Promise<string> {
  const values = [client.session, ...params].map((value) => `<param><value>${value}</value></param>`).join('');
  const call = `<?xml version='1.0'?>\n<methodCall><methodName>${method}</methodName><params>${values}</params></methodCall>`;
  const { status, body } = await post(pool, '/RPC2', call);
  assert.equal(status, 200);
  return body;
}

const success = (value: string) =>
  `<?xml version="1.0"?><methodResponse><params><param><value><struct><member><name>Status</name><value>Success</value></member>` +
  `<member><name>Value</name>${value}</member></struct></value></param></params></methodResponse>`;

test('integers are untyped text over XML-RPC and numbers over JSON', async () => {
  assert.equal(await xml('VDI.get_virtual_size', vdi), success('<value>1099511627776</value>'));
  assert.equal(await client.call('VDI.get_virtual_size', vdi), 2 ** 40);
});

test('booleans are typed 1 or 0', async () => {
  assert.equal(await xml('VDI.get_managed', vdi), success('<value><boolean>1</boolean></value>'));
});

test('dates have no dashes but colons and end in Z', async () => {
  assert.match(
    await xml('VDI.get_snapshot_time', vdi),
    /<value><dateTime\.iso8601>19700101T00:00:00Z<\/dateTime\.iso8601><\/value>/,
  );
  assert.equal(await client.call('VDI.get_snapshot_time', vdi), '19700101T00:00:00Z');
});

test('floats are typed, and strings carry no tag and are escaped', async () => {
  const task = await client.call('task.create', 'a < b & "c"\u0007', '');
  assert.equal(await xml('task.get_progress', task), success('<value><double>0</double></value>'));
  assert.equal(await xml('task.get_name_label', task), success('<value>a &lt; b &amp; &quot;c&quot;</value>'));
});

test('empty sets, empty maps and void have their full forms', async () => {
  assert.equal(await xml('VDI.get_tags', vdi), success('<value><array><data></data></array></value>'));
  assert.equal(await xml('VDI.get_sm_config', vdi), success('<value><struct></struct></value>'));
  assert.equal(await xml('VDI.add_tags', vdi, 'x'), success('<value></value>'));
});

test('a failure is a struct in an HTTP 200 and never a fault', async () => {
  const body = await xml('VDI.get_uuid', 'OpaqueRef:none');
  assert.match(body, /<name>Status<\/name><value>Failure<\/value>/);
  assert.match(
    body,
    /<name>ErrorDescription<\/name><value><array><data><value>HANDLE_INVALID<\/value><value>VDI<\/value>/,
  );
  assert.doesNotMatch(body, /fault/);
});

test('system.listMethods answers a bare array without a session', async () => {
  const { body } = await post(pool, '/', '<methodCall><methodName>system.listMethods</methodName></methodCall>');
  assert.match(body, /^<\?xml version="1\.0"\?><methodResponse><params><param><value><array><data><value>/);
  assert.match(body, /<value>VDI\.list_changed_blocks<\/value>/);
});

test('JSON-RPC 1.0 and 2.0 carry errors differently', async () => {
  const call = (extra: object) => JSON.stringify({ method: 'no.such', params: [], id: 'x', ...extra });
  const second = await post(pool, '/jsonrpc', call({ jsonrpc: '2.0' }));
  assert.deepEqual(JSON.parse(second.body), {
    jsonrpc: '2.0',
    id: 'x',
    error: { code: 1, message: 'MESSAGE_METHOD_UNKNOWN', data: ['no.such'] },
  });
  assert.equal(second.headers['content-type'], 'application/json');
  const first = JSON.parse((await post(pool, '/jsonrpc', call({}))).body);
  assert.deepEqual(first, { result: null, error: ['MESSAGE_METHOD_UNKNOWN', 'no.such'], id: 'x' });
});

test('parameters may be typed or not, and entities and white space are understood', async () => {
  const typed = `<param><value><string>${client.session}</string></value></param>\n <param> <value>${vdi}</value> </param><param><value><i8>${2 ** 40}</i8></value></param>`;
  const call = `<methodCall> <methodName>VDI.resize</methodName> <params>${typed}</params> </methodCall>\n`;
  assert.match((await post(pool, '/', call)).body, /Success/);
  assert.match(await xml('VDI.add_to_other_config', vdi, 'k&amp;&#65;', '<string>v</string>'), /Success/);
  assert.deepEqual(await client.call('VDI.get_other_config', vdi), { 'k&A': 'v' });
});

test('event.from counts references as typed integers, the only place that does', async () => {
  const classes = '<array><data><value>VDI</value></data></array>';
  const body = await xml('event.from', classes, '', '<double>0</double>');
  assert.match(body, /<name>vdi<\/name><value><i4>1<\/i4><\/value>/);
});
