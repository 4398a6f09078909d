// Claude Desktop's bundle as that program starts it: cwd "/", next to no environment, settings as arguments.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { client, deadlineFor } from '../../src/cli/clients/clients.js';
import { pictureFolders } from '../../src/cli/clients/folders.js';
import { starterFolder } from '../../src/engine/model-folder.js';
import { built } from '../built.js';
import { scratchFolder } from '../scratch-folder.js';

const BUNDLE = join(import.meta.dirname, '../../bundle');
const home = scratchFolder('home');
// The names of folders are the desktop's where it has others than English ones.
delete process.env['XDG_CONFIG_HOME'];
const desktop = client('claude-desktop', home);
const LAUNCHERS: Record<string, string> = { 'launch.sh': '/bin/sh', 'launch.mjs': process.execPath };

for (const [name, program] of Object.entries(LAUNCHERS)) {
  test(`${name} reads a picture of the folders that were chosen and of no other, without settings of its own`, async () => {
    const unpacked = scratchFolder('bundle');
    copyFileSync(join(BUNDLE, name), join(unpacked, name));
    symlinkSync(dirname(dirname(built())), join(unpacked, 'dist'));
    const [chosen, other] = ['Desktop', 'Documents'].map((folder) => {
      mkdirSync(join(home, folder), { recursive: true });
      const picture = join(home, folder, 'login.png');
      copyFileSync(join(starterFolder(), 'examples/login.png'), picture);
      return picture;
    });
    const transport = new StdioClientTransport({
      command: program,
      args: [join(unpacked, name), '${user_config.model}', 'false', dirname(chosen!), join(home, 'Pictures')],
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', HOME: home },
      stderr: 'ignore',
    });
    const mcp = new Client({ name: 'as-claude-desktop', version: '1' });
    await mcp.connect(transport);
    try {
      const read = async (image: string) =>
        JSON.stringify(await mcp.callTool({ name: 'ocr', arguments: { image } }));
      assert.match(await read(chosen!), /Member login/);
      assert.match(await read(other!), /PATH_NOT_ALLOWED/);
    } finally {
      await mcp.close();
    }
  });

  test(`${name} starts early and keeps the deadline of the client`, () => {
    const words = readFileSync(join(BUNDLE, name), 'utf8').match(/[\w-]+/g)!;
    assert.equal(words[words.indexOf('--deadline-ms') + 1], String(deadlineFor(desktop)));
    assert.ok(words.includes('--preload'));
  });
}

test('the folders that the manifest proposes are those of `config`', () => {
  const { user_config } = JSON.parse(readFileSync(join(BUNDLE, 'manifest.json'), 'utf8')) as {
    user_config: { folders: { default: string[] } };
  };
  const proposed = user_config.folders.default.map((folder) => folder.replace('${HOME}', home));
  assert.deepEqual(proposed, pictureFolders(desktop, false, home));
});
