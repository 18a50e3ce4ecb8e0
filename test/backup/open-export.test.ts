import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { type ConnectionDocument, exportsOf, type NbdExport, readConnection } from '#lib/backup/connection-document.ts';
import { openExport } from '#lib/backup/open-export.ts';
import { parseDiskId } from '#lib/units.ts';
import { LoneSite } from '../fakes/lone-site.ts';

const GRAIN = 65_536;

/** A port of this machine on which nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A run that is ready to be read, and the same connection with other addresses of its disk. */
async function readyRun() {
  const site = await LoneSite.start();
  const content = randomBytes(GRAIN);
  const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: content }] });
  const input = site.request(vm.uuid);
  const connection = await readConnection(site.store, await site.prepare(input));
  assert.ok(connection);
  const disk = parseDiskId(vm.vdis[0] ?? '');
  const [live] = exportsOf(connection, disk);
  assert.ok(live);
  const dead: NbdExport = { ...live, port: await deadPort() };
  const at = (...exports: NbdExport[]): ConnectionDocument => ({ ...connection, disks: [{ disk, exports }] });
  return { site, input, content, disk, live, dead, at };
}

test('a disk is read through the next of its addresses when one does not answer', async () => {
  const { site, input, content, disk, live, dead, at } = await readyRun();
  await using _ = site;
  const source = await openExport(at(dead, live), disk, site.ports);
  const read = Buffer.alloc(GRAIN);
  await source.readInto(0, read);
  await source.close();
  assert.ok(read.equals(content));
  await site.release(input);
});

test('when no address answers, the failure of the first is told', async () => {
  const { site, input, disk, dead, at } = await readyRun();
  await using _ = site;
  const other = { ...dead, port: await deadPort() };
  await assert.rejects(openExport(at(dead, other), disk, site.ports), new RegExp(`127\\.0\\.0\\.1:${dead.port}\\b`));
  await site.release(input);
});
