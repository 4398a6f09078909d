// A proxy between a test and its provider, and two pictures.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, beforeEach } from 'node:test';
import { openProxy, type ProxyOptions } from '../../src/http/proxy/proxy.js';
import { createApp } from '../../src/mcp/app.js';
import type { Listening } from '../../src/mcp/http.js';
import type { Reader } from '../../src/reading/reading.js';
import type { Json } from '../mcp/clients.js';
import { draw, pictureFolder } from '../mcp/pictures.js';
import { ScriptedEngine } from '../mcp/scripted-engine.js';
import { ScriptedReader } from '../mcp/scripted-reader.js';
import { provider } from './provider.js';

export const folder = pictureFolder();
export const upstream = await provider();
export const red = await base64('red', '#cc0000');
export const blue = await base64('blue', '#0000cc');

after(() => upstream.close());
beforeEach(() => {
  upstream.got.length = 0;
  upstream.left = 0;
  upstream.answer = (response) => void response.end('{}');
});

async function base64(name: string, color: string): Promise<string> {
  const field = { x: 40, y: 60, width: 60, height: 24, color };
  return readFileSync(await draw(join(folder, `${name}.png`), '#ffffff', [field])).toString('base64');
}

export interface Opened extends Listening {
  engine: ScriptedEngine;
  post(path: string, body: string | Uint8Array, init?: RequestInit): Promise<Response>;
}

async function proxy(
  options: Partial<ProxyOptions> = {},
  engine = new ScriptedEngine(),
  reader: Reader = new ScriptedReader(),
): Promise<Opened> {
  const app = createApp({ engine, reader, allow: [folder], log: { level: 'silent' } });
  const listening = await openProxy(app, { upstream: upstream.url, port: 0, ...options });
  return {
    url: listening.url,
    engine,
    post: (path, body, init = {}) =>
      fetch(listening.url + path, {
        method: 'POST',
        body: body as RequestInit['body'],
        ...init,
        headers: { 'content-type': 'application/json', ...(init.headers as object) },
      }),
    close: async () => {
      await listening.close();
      await app.close();
    },
  };
}

export async function using(
  run: (opened: Opened) => Promise<void>,
  options: Partial<ProxyOptions> = {},
  engine?: ScriptedEngine,
  reader?: Reader,
): Promise<void> {
  const opened = await proxy(options, engine, reader);
  try {
    await run(opened);
  } finally {
    await opened.close();
  }
}

export const chatOf = (...parts: object[]) =>
  JSON.stringify({ model: 'm', messages: [{ role: 'user', content: parts }] });
export const see = (url: string) => ({ type: 'image_url', image_url: { url } });
export const png = (data: string) => see(`data:image/png;base64,${data}`);
/** What the provider reads in place of the pictures of the last request. */
export const texts = (): string[] =>
  JSON.parse(upstream.got.at(-1)!.body).messages[0].content.map(({ text }: Json) => text);
