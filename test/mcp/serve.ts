// A server process with the scripted engine, for tests that need a real client on the other end of a pipe or a port.
// node --import tsx test/mcp/serve.ts stdio|http '{"script": {...}, "options": {...}, "port": 0, "tokenFile": "..."}'
import { runHttp } from '../../src/mcp/http.js';
import { runStdio } from '../../src/mcp/stdio.js';
import type { AppOptions } from '../../src/mcp/app.js';
import { ScriptedEngine, type Script } from './scripted-engine.js';
import { ScriptedReader } from './scripted-reader.js';

export interface ServeSettings {
  script?: Script;
  options?: Omit<AppOptions, 'engine' | 'reader'>;
  port?: number;
  tokenFile?: string;
}

const [transport, json = '{}'] = process.argv.slice(2);
const { script, options, port = 0, tokenFile } = JSON.parse(json) as ServeSettings;
const app: AppOptions = { engine: new ScriptedEngine(script), reader: new ScriptedReader(), ...options };
await (transport === 'http' ? runHttp({ ...app, port, tokenFile }) : runStdio(app));
