// A door in this process, with the scripted engine or another, for tests that knock at it.
import { createApp, type App, type AppOptions } from '../../src/mcp/app.js';
import type { Engine } from '../../src/engine/engine.js';
import { OneModel, type Models } from '../../src/engine/models.js';
import { openDoor, type DoorOptions } from '../../src/http/door.js';
import { ScriptedEngine } from '../mcp/scripted-engine.js';
import { ScriptedReader } from '../mcp/scripted-reader.js';

export const TOKEN = 'd'.repeat(64);

export interface OpenDoor {
  url: string;
  app: App;
  models: Models;
  token: string;
  /** The page's address, signed in once. */
  link(): string;
  /** Sends JSON with the token. */
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
  get(path: string, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

export async function door(
  engine: Engine = new ScriptedEngine(),
  app: Partial<AppOptions> = {},
  options: Partial<DoorOptions> = {},
): Promise<OpenDoor> {
  const room = createApp({ engine, reader: new ScriptedReader(), log: { level: 'silent' }, ...app });
  const models = options.models ?? new OneModel(engine);
  const opened = await openDoor(room, { port: 0, tokens: [TOKEN], ...options, models });
  const headers = { authorization: `Bearer ${TOKEN}` };
  return {
    url: opened.url,
    app: room,
    models,
    token: TOKEN,
    link: () => opened.link(),
    post: (path, body, init = {}) =>
      fetch(opened.url + path, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...init,
        headers: { ...headers, 'content-type': 'application/json', ...(init.headers as object) },
      }),
    get: (path, init = {}) => fetch(opened.url + path, { headers, ...init }),
    close: async () => {
      await opened.close();
      await room.close();
    },
  };
}

/** Events of a stream, parsed; the mark of its end as the string it is. */
export async function events(response: Response): Promise<unknown[]> {
  const text = await response.text();
  return text
    .split('\n\n')
    .filter((event) => event.startsWith('data: '))
    .map((event) => event.slice('data: '.length))
    .map((data) => (data === '[DONE]' ? data : (JSON.parse(data) as unknown)));
}
