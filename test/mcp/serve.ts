// A server process with the scripted engine, for tests that need a real client on the other end of a pipe or a port.
// node --import tsx test/mcp/serve.ts stdio|http '{"script": {...}, "options": {...}, "port": 0, "tokenFile": "..."}'
import {
  CompletionsEngine,
  type CompletionsOptions,
} from '../../src/engine/completions/completions-engine.js';
import { runHttp } from '../../src/mcp/http.js';
import { runStdio } from '../../src/mcp/stdio.js';
import type { AppOptions } from '../../src/mcp/app.js';
import { ScriptedEngine, type Script } from './scripted-engine.js';
import { ScriptedReader } from './scripted-reader.js';

export interface ServeSettings {
  script?: Script;
  options?: Omit<AppOptions, 'engine' | 'reader'>;
  /** Ask a server elsewhere instead of the scripted engine. */
  elsewhere?: CompletionsOptions;
  port?: number;
  tokenFile?: string;
}

const [transport, json = '{}'] = process.argv.slice(2);
const { script, options, elsewhere, port = 0, tokenFile } = JSON.parse(json) as ServeSettings;
const engine = elsewhere ? new CompletionsEngine(elsewhere) : new ScriptedEngine(script);
const app: AppOptions = { engine, reader: new ScriptedReader(), ...options };
await (transport === 'http' ? runHttp({ ...app, port, tokenFile }) : runStdio(app));
