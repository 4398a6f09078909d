// Which folders may be read: what the user named, else the working folder and the client's roots.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createApp, substituted } from '../../src/mcp/app.js';
import { connect, KINDS, ROOT, startHttp, type HttpServer } from './clients.js';
import { draw, pictureFolder } from './pictures.js';
import { ScriptedEngine } from './scripted-engine.js';
import { ScriptedReader } from './scripted-reader.js';

const folder = pictureFolder();
const other = pictureFolder();
/** The whole disk, spelled in other ways. */
const DISK = ['/', '//', '/./', '/proc/self/root', '/proc/self/root/', `${folder}/../../../..`, '/%2e%2e/'];
let picture: string;
let http: HttpServer;

before(async () => {
  picture = await draw(`${folder}/a.png`, '#0a0b0c');
  await draw(`${other}/b.png`, '#0c0b0a');
  http = await startHttp({});
});
after(() => http?.stop());

for (const kind of KINDS) {
  describe(kind, () => {
    test('the roots of the client are allowed, the rest is not', async () => {
      const client = await connect(kind, {}, http, [folder, ...DISK]);
      try {
        const inside = await client.call('describe_image', { image: picture });
        assert.equal(inside.isError, false, inside.text);
        const outside = await client.call('describe_image', { image: `${other}/b.png` });
        assert.equal(outside.code, 'PATH_NOT_ALLOWED', 'a root of / allows nothing');
        assert.match(outside.text, new RegExp(folder), 'the error names the allowed folders');
        assert.match(outside.text, /--allow/);
      } finally {
        await client.close();
      }
    });
  });
}

test('the whole disk mounted once more is the whole disk', async (context) => {
  const mounted = mkdtempSync(join(tmpdir(), 'afterimage-disk-'));
  try {
    execFileSync('mount', ['--bind', '/', mounted], { stdio: 'pipe' });
  } catch (error) {
    rmdirSync(mounted);
    return context.skip(`Nothing can be mounted here: ${(error as Error).message.split('\n')[0]}`);
  }
  try {
    const client = await connect('sdk stdio', {}, undefined, [folder, mounted]);
    const image = `${other}/b.png`;
    for (const path of [image, join(mounted, image)])
      assert.equal((await client.call('describe_image', { image: path })).code, 'PATH_NOT_ALLOWED');
    await client.close();
  } finally {
    execFileSync('umount', [mounted]);
    rmdirSync(mounted);
  }
});

test('roots neither widen nor replace the folders that the user named', async () => {
  const client = await connect('sdk stdio', { options: { allow: [other] } }, undefined, [folder]);
  try {
    assert.equal((await client.call('describe_image', { image: picture })).code, 'PATH_NOT_ALLOWED');
    assert.equal((await client.call('describe_image', { image: `${other}/b.png` })).isError, false);
  } finally {
    await client.close();
  }
});

test('the default is the working folder, and never the whole disk', async () => {
  const folders = () =>
    createApp({ engine: new ScriptedEngine(), reader: new ScriptedReader(), log: { level: 'silent' } }).images
      .files.folders;
  const here = process.cwd();
  assert.deepEqual(folders(), [here]);
  process.chdir('/');
  try {
    assert.deepEqual(folders(), []);
  } finally {
    process.chdir(here);
  }
  assert.ok(ROOT.startsWith(here));
});

test('what a client did not fill in is no folder', () => {
  assert.deepEqual(substituted(['${user_config.folder}', '', ' ', '/a', '${HOME}/b']), ['/a']);
});
