// The promises about calls once more, with the engine elsewhere: the MCP server asks our own chat completions, behind which
// the same scripted engine answers.
import { readFile } from 'node:fs/promises';
import { after, before } from 'node:test';
import { ScriptedEngine } from './scripted-engine.js';
import { startHttp, type HttpServer } from './clients.js';
import { door, TOKEN, type OpenDoor } from '../http/doors.js';
import { DEADLINE_MS } from './connected.js';
import { drawPictures, endToEnd } from './end-to-end.js';
import { pictureFolder } from './pictures.js';
import type { ServeSettings } from './serve.js';

const folder = pictureFolder();
const settings: ServeSettings = {
  options: { allow: [folder], deadlineMs: DEADLINE_MS },
  elsewhere: { urls: [], key: TOKEN },
};
const dataUri = async (file: string) => `data:image/png;base64,${(await readFile(file)).toString('base64')}`;
let opened: OpenDoor;
let http: HttpServer;

before(async () => {
  await drawPictures(folder);
  opened = await door(new ScriptedEngine({ boxes: { scale: 'relative-1000', lines: true } }));
  settings.elsewhere!.urls = [opened.url];
  // Starts the worker threads of this process, which take long under tsx.
  const content = [{ type: 'image_url', image_url: { url: await dataUri(`${folder}/red.png`) } }];
  await opened.post('/v1/chat/completions', { messages: [{ role: 'user', content }] });
  http = await startHttp(settings);
});
after(async () => {
  await http?.stop();
  await opened?.close();
});

endToEnd(['v2 stdio', 'sdk http'], folder, settings, () => http);
