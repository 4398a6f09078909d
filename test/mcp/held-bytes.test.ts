// Bodies that are being read, by many at once: what one may have, and what all of them may have together.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request, type ClientRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { AfterimageError } from '../../src/errors.js';
import { HeldBytes } from '../../src/mcp/held-bytes.js';

const received = new HeldBytes(100, 250);
const listener = createServer((message, response) => {
  const length = async (parts: AsyncIterable<Buffer>): Promise<number> => {
    let sum = 0;
    for await (const part of parts) sum += part.length;
    return sum;
  };
  received.read(message, length).then(
    (bytes) => response.end(String(bytes)),
    (error: AfterimageError) => response.end(error.code),
  );
}).listen(0, '127.0.0.1');
await once(listener, 'listening');
after(() => {
  listener.closeAllConnections();
  listener.close();
});

async function sent(bytes: number, headers: Record<string, number> = {}): Promise<ClientRequest> {
  const { port } = listener.address() as AddressInfo;
  const one = request({ port, method: 'POST', headers, agent: false });
  one.on('error', () => {});
  one.write('x'.repeat(bytes));
  return one;
}

async function answer(one: ClientRequest): Promise<string> {
  one.end();
  const [response] = (await once(one, 'response')) as [IncomingMessage];
  return Buffer.concat(await response.toArray()).toString();
}

test('one message too long is refused, whether it says so or not', async () => {
  assert.equal(await answer(await sent(100)), '100');
  assert.equal(await answer(await sent(101)), 'IMAGE_TOO_LARGE');
  assert.equal(await answer(await sent(10, { 'content-length': 8_000_000_000 })), 'IMAGE_TOO_LARGE');
});

test('many at once are refused when they are too much together, until some have ended or gone', async () => {
  const held = await Promise.all([sent(100), sent(100)]);
  // On their way over loopback.
  while ((await answer(await sent(60))) !== 'ENGINE_BUSY');
  assert.equal(await answer(await sent(40)), '40');
  held[0]!.destroy();
  while ((await answer(await sent(60))) !== '60');
  assert.equal(await answer(held[1]!), '100');
});
