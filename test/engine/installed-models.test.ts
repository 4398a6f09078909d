// Several models by name: loaded on demand, the least used leaves where memory is short, the default may change at any
// time. Scripted engines, of which only so many fit.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { use } from '../../src/cli/use.js';
import { openModels } from '../../src/cli/open-engine.js';
import { Options } from '../../src/cli/options.js';
import type { Answer, ModelInfo } from '../../src/engine/engine.js';
import { InstalledModels } from '../../src/engine/installed-models.js';
import { findModel, starterFolder, STARTER } from '../../src/engine/model-folder.js';
import { usualModelFile } from '../../src/engine/usual-model.js';
import { AfterimageError } from '../../src/errors.js';
import type { Message } from '../../src/prompt/message.js';
import { door, type OpenDoor } from '../http/doors.js';
import type { Json } from '../mcp/clients.js';
import { draw, pictureFolder } from '../mcp/pictures.js';
import { ScriptedEngine } from '../mcp/scripted-engine.js';
import { createApp } from '../../src/mcp/app.js';
import { ScriptedReader } from '../mcp/scripted-reader.js';
import { runTool } from '../../src/ask/run-tool.js';
import { chatWithImages } from '../../tools/chat-with-images.js';
import { scratchFolder } from '../scratch-folder.js';

const question = (text: string): Message[] => [{ role: 'user', content: [{ type: 'text', text }] }];

/** A machine on which `fit` models have room. */
function machine(fit: number) {
  const loaded: string[] = [];
  const loads: string[] = [];
  const state = { usual: '/models/org/a' };
  class Sized extends ScriptedEngine {
    readonly #folder: string;
    constructor(folder: string) {
      super();
      this.#folder = folder;
    }
    override get info(): ModelInfo {
      return { ...super.info, name: this.#folder.slice('/models/'.length) };
    }
    override async ready(): Promise<ModelInfo> {
      if (loaded.includes(this.#folder)) return super.ready();
      if (loaded.length >= fit) throw new AfterimageError('OUT_OF_MEMORY', 'Too large; free memory.');
      loaded.push(this.#folder);
      loads.push(this.#folder);
      return super.ready();
    }
    override async close(): Promise<void> {
      await super.close();
      if (loaded.includes(this.#folder)) loaded.splice(loaded.indexOf(this.#folder), 1);
    }
  }
  const models = new InstalledModels({
    find: (name) => (name === undefined ? state.usual : `/models/${name}`),
    nameOf: (folder) => folder.slice('/models/'.length),
    names: () => ['org/a', 'org/b', 'org/c', 'other/c'],
    open: (folder) => new Sized(folder),
  });
  return { models, loaded, loads, state };
}

describe('models by name', () => {
  test('are loaded when they are asked, once, and stay', async () => {
    const { models, loads } = machine(3);
    const ask = async (name: string) => (await models.engine(name)).open().ask(question(`from ${name}`));
    assert.match((await ask('org/b')).text, /from org\/b/);
    await Promise.all([ask('org/a'), ask('a'), ask('org/b')]);
    assert.deepEqual(loads, ['/models/org/b', '/models/org/a']);
    assert.deepEqual(
      models.list().map(({ name, state }) => [name, state]),
      [
        ['org/a', 'ready'],
        ['org/b', 'ready'],
        ['org/c', 'absent'],
        ['other/c', 'absent'],
      ],
    );
  });

  test('a question that is stopped, or whose session is closed, before the model is there ends as cancelled', async () => {
    const { models } = machine(1);
    const engine = await models.engine('org/b');
    const continues = { text: 'so far', tokenIds: [1] };
    const stopped = await engine.open().ask(question('?'), { signal: AbortSignal.abort(), continues });
    assert.deepEqual([stopped.stopReason, stopped.text], ['cancelled', 'so far']);
    const session = engine.open();
    const asked = session.ask(question('?'));
    session.close();
    assert.equal((await asked).stopReason, 'cancelled');
    await assert.rejects(session.ask(question('?')), { code: 'CLOSED' });
  });

  test('the one that was asked least lately leaves, and comes back when it is asked again', async () => {
    const { models, loaded, loads } = machine(2);
    const sessions = new Map(
      await Promise.all(
        ['org/a', 'org/b', 'org/c'].map(async (name) => [name, (await models.engine(name)).open()] as const),
      ),
    );
    const ask = (name: string) => sessions.get(name)!.ask(question('x'));
    for (const name of ['org/a', 'org/b', 'org/a', 'org/c']) await ask(name);
    assert.deepEqual(loaded, ['/models/org/a', '/models/org/c']);
    await ask('org/b');
    assert.deepEqual(loaded, ['/models/org/c', '/models/org/b']);
    assert.equal(loads.length, 4);
  });

  test('one that is answering is not sent away', async () => {
    const { models } = machine(1);
    const a = (await models.engine('org/a')).open();
    const enough = new AbortController();
    let long!: Promise<Answer>;
    await new Promise<void>((heard) => {
      const options = { signal: enough.signal, onText: () => heard() };
      long = a.ask(question('count to 500, words take 20 ms'), options);
    });
    const b = await models.engine('org/b');
    await assert.rejects(b.open().ask(question('x')), { code: 'OUT_OF_MEMORY' });
    enough.abort();
    assert.match((await long).text, /^1/);
    assert.match((await b.open().ask(question('x'))).text, /x/);
  });

  test('a name that is not there, or may be either of two, is told with the names', async () => {
    const { models } = machine(1);
    for (const name of ['org/x', 'c', '/models/org/a', '../a'])
      await assert.rejects(models.engine(name), { code: 'MODEL_NOT_FOUND', message: /"org\/a", "org\/b"/ });
  });

  test('where none is named, the default of the moment is asked, also in a session that is open', async () => {
    const { models, loads, state } = machine(2);
    const session = models.usual.open();
    await session.ask(question('x'));
    state.usual = '/models/org/b';
    await session.ask(question('x'));
    assert.equal((await models.usual.ready()).name, 'org/b');
    assert.deepEqual(loads, ['/models/org/a', '/models/org/b']);
    await models.close();
    await assert.rejects(session.ask(question('x')), { code: 'CLOSED' });
  });
});

describe('doors', () => {
  test('chat completions name a model, and the list says which are loaded', async () => {
    const { models } = machine(2);
    const opened: OpenDoor = await door(models.usual, {}, { models });
    const ask = async (model?: string): Promise<Json> => {
      const messages = [{ role: 'user', content: 'x' }];
      return (await opened.post('/v1/chat/completions', { model, messages })).json();
    };
    assert.equal((await ask('org/b')).model, 'org/b');
    assert.equal((await ask()).model, 'org/a');
    assert.equal((await ask('nobody/x')).error.code, 'MODEL_NOT_FOUND');
    const { data } = (await (await opened.get('/v1/models')).json()) as Json;
    assert.deepEqual(
      data.map(({ id, state }: Json) => `${id} ${state}`),
      ['org/a ready', 'org/b ready', 'org/c absent', 'other/c absent'],
    );
    await opened.close();
  });

  test('a call of a tool names one, and what was cut is gone on with by the model that began it', async () => {
    const { models, state } = machine(3);
    const folder = pictureFolder();
    const images = [await draw(join(folder, 'red.png'), '#cc0000')];
    const app = createApp({
      engine: models.usual,
      models,
      reader: new ScriptedReader(),
      allow: [folder],
      log: { level: 'silent' },
    });
    const call = async (args: object): Promise<Json> =>
      (
        await runTool(
          chatWithImages,
          { ...args, verbose: true },
          { ...app, signal: new AbortController().signal, deadline: Infinity, onProgress: () => {} },
        )
      ).structured;
    assert.equal((await call({ message: 'x', images, model: 'org/b' })).model, 'org/b');
    const first = await call({ message: 'x', images });
    assert.equal(first.model, 'org/a');
    const { session_id } = first;
    const second = await call({ message: 'y', session_id, model: 'org/c' });
    assert.equal(second.model, 'org/c');
    assert.match(second.answer, /y \(after 1 answers\)/, 'the history goes with the session');
    await assert.rejects(call({ message: 'x', images, model: 'org/x' }), { code: 'MODEL_NOT_FOUND' });
    await call({ message: 'count to 9', session_id, model: 'org/b', max_tokens: 3 });
    app.conversations.get(session_id).cut!.tokenIds = [1];
    state.usual = '/models/org/c';
    const rest = await call({ message: '', session_id });
    assert.deepEqual([rest.model, rest.answer], ['org/b', ' 4 5 6 7 8 9']);
    await app.close();
  });
});

describe('afterimage use', () => {
  const saved = { ...process.env };
  afterEach(() => {
    process.env = { ...saved };
  });
  const home = () => {
    process.env['XDG_CONFIG_HOME'] = scratchFolder('use');
    delete process.env['AFTERIMAGE_MODEL'];
  };

  test('is the default of everything that is given no model, at once', async () => {
    home();
    assert.equal(findModel(), starterFolder());
    const models = openModels(new Options(['--no-disk-cache']));
    const folder = new URL('../goldens/checkpoints/qwen2_vl', import.meta.url).pathname;
    await use(new Options([folder]));
    assert.equal(findModel(), folder);
    assert.equal(readFileSync(usualModelFile(), 'utf8'), `${folder}\n`);
    assert.equal(models.usual.status().state, 'idle');
    assert.deepEqual(models.list()[0], { name: 'qwen2_vl', state: 'absent', info: null });
    await models.engine('qwen2_vl');
    assert.equal(findModel(STARTER), starterFolder());
    process.env['AFTERIMAGE_MODEL'] = STARTER;
    assert.equal(findModel(), starterFolder(), 'the environment comes first');
    delete process.env['AFTERIMAGE_MODEL'];
    await use(new Options([STARTER]));
    assert.equal(findModel(), starterFolder());
    await models.close();
  });

  test('refuses what is no model, and leaves the default as it was', async () => {
    home();
    await assert.rejects(use(new Options(['no/such'])), { code: 'MODEL_NOT_FOUND' });
    await assert.rejects(use(new Options([tmpdir()])), AfterimageError);
    assert.equal(findModel(), starterFolder());
  });

  test('a default that is gone is told by each question, not by the start of a server', async () => {
    home();
    await use(new Options([starterFolder()]));
    writeFileSync(usualModelFile(), 'gone/model\n');
    const models = openModels(new Options(['--no-disk-cache']));
    await assert.rejects(models.usual.ready(), { code: 'MODEL_NOT_FOUND', message: /gone\/model/ });
    assert.equal(models.usual.status().state, 'failed');
    assert.ok(models.list().some(({ name }) => name === STARTER));
  });
});
