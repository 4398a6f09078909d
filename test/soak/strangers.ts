// Clients of a shared engine that lie, fall silent, flood or die, at random but the same every time for one seed.
import { readFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageConnection } from 'vscode-jsonrpc/node';
import { ASK, HELLO, PIXELS, connectionOver } from '../../src/engine/remote/wire.js';
import type { ImageInput } from '../../src/image/rgb-image.js';
import { packageVersion } from '../../src/version.js';
import { mutatedJson, mutatedText, oneOf, type Random } from '../fuzz/mutations.js';

const known = JSON.parse(
  readFileSync(new URL('../fuzz/seeds/wire.json', import.meta.url), 'utf8').replaceAll(
    'VERSION',
    packageVersion(),
  ),
) as unknown[];

export function frame(message: unknown): string {
  const said = JSON.stringify(message);
  return `Content-Length: ${Buffer.byteLength(said)}\r\n\r\n${said}`;
}

/** What an honest client would ask. */
const question = ({ pixelHash, width, height }: ImageInput, call: number) => ({
  call,
  session: `stranger ${call}`,
  images: [{ pixelHash, width, height }],
  messages: [
    {
      role: 'user' as const,
      content: [
        { type: 'image' as const, image: 0 },
        { type: 'text' as const, text: 'What is this?' },
      ],
    },
  ],
  options: { maxTokens: 2 },
});

interface Stranger {
  socket: Socket;
  connection: MessageConnection;
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.on('error', reject).once('connect', () => resolve(socket));
  });
}

async function greeted(path: string): Promise<Stranger> {
  const socket = await connected(path);
  const connection = connectionOver(socket);
  connection.onError(() => {});
  connection.onClose(() => connection.dispose());
  connection.listen();
  await connection.sendRequest(HELLO.type, { version: packageVersion() });
  return { socket, connection };
}

/** Says that an image has other pixels than it has. */
async function lies(path: string, images: readonly ImageInput[], next: Random): Promise<void> {
  const { socket, connection } = await greeted(path);
  connection.onRequest(PIXELS.type, () =>
    Buffer.alloc(64 * 64 * 3, Math.floor(next() * 256)).toString('base64'),
  );
  const asked = Array.from({ length: 1 + Math.floor(next() * 3) }, (_, call) =>
    connection.sendRequest(ASK.type, question(oneOf(images, next), call)).catch(() => {}),
  );
  await Promise.race([Promise.all(asked), sleep(2000)]);
  socket.destroy();
}

/** Asks about images and never sends one. */
async function fallsSilent(path: string, images: readonly ImageInput[], next: Random): Promise<void> {
  const { socket, connection } = await greeted(path);
  connection.onRequest(PIXELS.type, () => new Promise(() => {}));
  for (let call = 0; call < 40; call++)
    void connection.sendRequest(ASK.type, question(oneOf(images, next), call)).catch(() => {});
  await sleep(next() * 1500);
  socket.destroy();
}

/** Is gone in the middle of a message. */
async function dies(path: string, images: readonly ImageInput[], next: Random): Promise<void> {
  const socket = await connected(path);
  socket.write(frame(known[0]));
  const said = frame({ jsonrpc: '2.0', id: 5, method: 'ask', params: question(oneOf(images, next), 1) });
  socket.write(said.slice(0, 1 + Math.floor(next() * (said.length - 1))));
  await sleep(next() * 100);
  socket.destroy();
}

/** Says what means nothing. */
async function rambles(path: string, _: readonly ImageInput[], next: Random): Promise<void> {
  const socket = await connected(path);
  const texts = Array.from({ length: 1 + Math.floor(next() * 5) }, (_none, i) =>
    frame(i === 0 || next() < 0.3 ? oneOf(known, next) : mutatedJson(oneOf(known, next), next)),
  );
  const ended = new Promise((done) => socket.once('close', done));
  socket.resume().end(next() < 0.5 ? texts.join('') : mutatedText(texts.join(''), texts, next));
  await Promise.race([ended, sleep(1000)]);
  socket.destroy();
}

const HABITS = { lies, fallsSilent, dies, rambles };

/** One visit of a stranger. @returns its habit */
export async function visit(path: string, images: readonly ImageInput[], next: Random): Promise<string> {
  const habit = oneOf(Object.keys(HABITS) as (keyof typeof HABITS)[], next);
  // What becomes of a stranger's words is the strangers' affair.
  await HABITS[habit](path, images, next).catch(() => {});
  return habit;
}
