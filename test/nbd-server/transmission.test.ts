import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { DamagedObject } from '#lib/format/failures.ts';
import { NbdServer } from '#lib/nbd-server/server.ts';
import { MemoryDisk } from './memory-disk.ts';
import { RawClient } from './raw-client.ts';

const EPERM = 1;
const EIO = 5;
const EINVAL = 22;
const CMD = { READ: 0, WRITE: 1, DISC: 2, FLUSH: 3, TRIM: 4, BLOCK_STATUS: 7 };

const content = randomBytes(300_000);

async function serving(disk = new MemoryDisk('0', content), onTrouble: (message: string) => void = () => undefined) {
  const server = await NbdServer.start({ disks: [disk], listen: { host: '127.0.0.1', port: 0 }, onTrouble });
  const client = await RawClient.connect(server.uri);
  await client.go('0');
  return { server, client };
}

test('what cannot be served is refused with an error, and the connection lives on', async () => {
  const { server, client } = await serving();
  await using _ = server;
  const payload = randomBytes(100_000);
  const refusals = [
    ['a read across the end', CMD.READ, { offset: content.length - 10, length: 11 }, EINVAL],
    ['a read far behind the end', CMD.READ, { offset: 2 ** 52, length: 1 }, EINVAL],
    ['a read of more than 32 MiB', CMD.READ, { offset: 0, length: 33_554_433 }, EINVAL],
    ['a write', CMD.WRITE, { offset: 0, length: payload.length, payload }, EPERM],
    ['a trim', CMD.TRIM, { offset: 0, length: 512 }, EPERM],
    ['a flush, which was not offered', CMD.FLUSH, {}, EINVAL],
    ['block status, which was not agreed on', CMD.BLOCK_STATUS, { offset: 0, length: 512 }, EINVAL],
    ['an unknown command', 77, {}, EPERM],
  ] as const;
  for (const [what, type, range, error] of refusals) {
    assert.equal((await client.request(type, range)).error, error, what);
  }
  assert.ok((await client.request(CMD.READ, { offset: 5, length: 4096 })).data.equals(content.subarray(5, 4101)));
  assert.deepEqual(await client.request(CMD.READ, { offset: 0, length: 0 }), { error: 0, data: Buffer.alloc(0) });
});

test('a damaged range is an I/O error to the client and a sentence to the operator, other ranges stay readable', async () => {
  class DamagedDisk extends MemoryDisk {
    override read(offsetBytes: number, lengthBytes: number): Promise<readonly Buffer[]> {
      if (offsetBytes < 65_536) return Promise.reject(new DamagedObject('grain 0 has another digest'));
      return super.read(offsetBytes, lengthBytes);
    }
  }
  const troubles: string[] = [];
  const { server, client } = await serving(new DamagedDisk('0', content), (message) => troubles.push(message));
  await using _ = server;
  assert.equal((await client.request(CMD.READ, { offset: 0, length: 512 })).error, EIO);
  assert.match(troubles.join(), /bytes 0-511 of 0 could not be served: .*grain 0/);
  assert.equal((await client.request(CMD.READ, { offset: 65_536, length: 512 })).error, 0);
});

test('something else than a request ends the connection', async () => {
  const { server, client } = await serving();
  await using _ = server;
  client.socket.write(Buffer.alloc(28));
  await assert.rejects(client.read(1), /hung up/);
});

test('ending the server breaks off clients that are in the middle of a session', async () => {
  const { server, client } = await serving();
  await server[Symbol.asyncDispose]();
  await assert.rejects(client.read(1), /hung up/);
});
