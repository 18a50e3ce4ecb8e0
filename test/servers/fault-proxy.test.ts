import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';

describe('the fault proxy', () => {
  const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  let proxy: FaultProxy;
  before(async () => {
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    const address = echo.address();
    assert(typeof address === 'object' && address !== null);
    proxy = await startFaultProxy({ port: address.port });
  });
  beforeEach(() => proxy.set({}));
  after(async () => {
    await proxy[Symbol.asyncDispose]();
    echo.close();
  });

  /** Sends, ends, and collects what comes back until the connection is over. */
  const roundTrip = async (body: Buffer): Promise<Buffer> => {
    const socket = connect(proxy.port, '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined);
    socket.end(body);
    await new Promise((resolve) => socket.once('close', resolve));
    return Buffer.concat(chunks);
  };
  const body = randomBytes(3_000_000);

  it('passes everything, and the end, when nothing is set', async () => {
    assert((await roundTrip(body)).equals(body));
  });

  it('a latency delays each direction and keeps bytes and order', async () => {
    proxy.set({ toServer: { latencyMs: 40 }, toClient: { latencyMs: 40 } });
    const began = performance.now();
    assert((await roundTrip(body)).equals(body));
    assert(performance.now() - began >= 78);
  });

  it('healing does not let later bytes overtake delayed ones', async () => {
    proxy.set({ toServer: { latencyMs: 100 } });
    const socket: Socket = connect(proxy.port, '127.0.0.1');
    socket.write('first');
    const healed = setTimeout(() => {
      proxy.set({});
      socket.end('second');
    }, 30);
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk);
    clearTimeout(healed);
    assert.equal(Buffer.concat(chunks).toString(), 'firstsecond');
  });

  for (const how of ['fin', 'reset'] as const) {
    it(`a cut by ${how} lets exactly so many bytes through, as often as told`, async () => {
      const before = proxy.struck;
      proxy.set({ toServer: { cut: { afterBytes: 1000, how } }, strikes: 1 });
      assert((await roundTrip(body)).length <= 1000);
      assert.equal(proxy.struck - before, 1);
      assert((await roundTrip(body)).equals(body));
    });
  }

  it('a corruption changes one byte', async () => {
    proxy.set({ toClient: { corruptAtByte: 2_345_678 }, strikes: 1 });
    const damaged = await roundTrip(body);
    damaged[2_345_678]! ^= 0xff;
    assert(damaged.equals(body));
  });

  it('a slow line passes no more than its rate, and everything', async () => {
    proxy.set({ toClient: { bytesPerSecond: 400_000 } });
    const small = randomBytes(100_000);
    const began = performance.now();
    assert((await roundTrip(small)).equals(small));
    assert(performance.now() - began >= 240);
  });

  it('loss delays what is behind the lost piece and changes nothing', async () => {
    proxy.set({ toServer: { loss: { share: 0.1, resentAfterMs: 20 } } });
    const small = randomBytes(100_000);
    const began = performance.now();
    assert((await roundTrip(small)).equals(small));
    assert(performance.now() - began >= 20);
  });

  it('a refusal resets new connections', async () => {
    proxy.set({ refuse: true });
    assert.equal((await roundTrip(body)).length, 0);
  });
});
