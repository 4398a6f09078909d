// Configurations of clients: the form each can read, merging into what is there, and a server started as clients do.
import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { parse as parseJsonc } from 'jsonc-parser';
import { parse as parseToml } from 'smol-toml';
import { parse as parseYaml } from 'yaml';
import { CLIENTS, client, deadlineFor, type ClientName } from '../../src/cli/clients/clients.js';
import { snippet, write } from '../../src/cli/clients/configuration.js';
import { pictureFolders } from '../../src/cli/clients/folders.js';
import { launch } from '../../src/cli/clients/launch.js';
import { scratchFolder } from '../scratch-folder.js';

const ROOT = join(import.meta.dirname, '..', '..');
const home = scratchFolder('home');
const PARSERS: Record<Form, (text: string) => unknown> = {
  json: (text) => parseJsonc(text),
  toml: (text) => parseToml(text),
  yaml: (text) => parseYaml(text),
};

type Form = 'json' | 'toml' | 'yaml';
type Entry = Record<string, unknown>;

function entryIn(name: ClientName, text: string): Entry {
  const { format, servers } = client(name, home);
  const whole = PARSERS[format](text) as Record<string, Record<string, Entry>>;
  return whole[servers[0]!]!['afterimage']!;
}

/** Command line of an entry, whatever the client calls its parts. */
function commandLine(entry: Entry): string[] {
  if (Array.isArray(entry['command'])) return entry['command'] as string[];
  return [(entry['command'] ?? entry['cmd']) as string, ...(entry['args'] as string[])];
}

const AWKWARD = ['--allow', '/my pictures', '--allow', 'C:\\img "x"', '--model', "/models/it's"];

for (const name of CLIENTS) {
  test(`${name}: the printed snippet carries every argument whole`, () => {
    const chosen = client(name, home);
    const line = commandLine(entryIn(name, snippet(chosen, launch(AWKWARD))));
    assert.deepEqual(line.slice(-AWKWARD.length - 1), ['mcp', ...AWKWARD]);
    assert.ok(existsSync(line[0]!), 'the program is named by its whole path');
    assert.ok(chosen.file.startsWith(home), 'the file is the user’s');
    assert.ok(deadlineFor(chosen) < chosen.callMs);
  });
}

const BEFORE: Record<Form, (servers: string) => string> = {
  json: (servers) =>
    `{\n  // mine\n  "theme": "dark",\n  "${servers}": { "other": { "command": "x" }, },\n}\n`,
  toml: (servers) =>
    `# mine\nmodel = "o3" # keep\n\n[${servers}.other]\ncommand = "x"\n\n[tui]\ntheme = "dark"\n`,
  yaml: (servers) => `# mine\nGOOSE_MODEL: gpt # keep\n${servers}:\n  other:\n    cmd: x\n`,
};

for (const name of CLIENTS) {
  test(`${name}: writing keeps what is there, twice changes nothing`, () => {
    const chosen = client(name, home);
    const file = join(scratchFolder('config'), 'deep', 'file');
    const before = BEFORE[chosen.format](chosen.servers[0]!);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, before, { mode: 0o600 });

    const first = write(chosen, launch(['--preload']), file);
    assert.ok(first.changed && first.backup !== undefined);
    assert.equal(readFileSync(first.backup, 'utf8'), before);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const text = readFileSync(file, 'utf8');
    assert.match(text, /mine/);
    const others = (PARSERS[chosen.format](text) as Record<string, Record<string, Entry>>)[
      chosen.servers[0]!
    ]!;
    assert.deepEqual(Object.keys(others).sort(), ['afterimage', 'other']);
    assert.ok(commandLine(others['afterimage']!).includes('--preload'));

    assert.deepEqual(write(chosen, launch(['--preload']), file), { file, changed: false });
    write(chosen, launch(['--verbose']), file);
    const again = commandLine(entryIn(name, readFileSync(file, 'utf8')));
    assert.ok(again.includes('--verbose') && !again.includes('--preload'), 'an earlier entry is replaced');
    assert.equal(readdirSync(dirname(file)).length, 3, 'two backups and no leftover');
  });
}

test('a new file is made, its folders too', () => {
  const file = join(scratchFolder('config'), 'a', 'b', 'mcp.json');
  const { backup, changed } = write(client('cursor', home), launch([]), file);
  assert.ok(changed && backup === undefined && entryIn('cursor', readFileSync(file, 'utf8')));
});

test('a file that its client could not read is refused and left alone', () => {
  const folder = scratchFolder('config');
  const broken: [ClientName, string][] = [
    ['cursor', '{ "mcpServers": { '],
    ['cursor', '[]'],
    ['codex', '[mcp_servers\nx'],
    ['codex', 'mcp_servers = { afterimage = { command = "inline" } }\n'],
    ['goose', 'extensions: [1, 2\n'],
    ['goose', 'extensions: text\n'],
  ];
  for (const [name, text] of broken) {
    const file = join(folder, 'file');
    writeFileSync(file, text);
    assert.throws(() => write(client(name, home), launch([]), file), {
      code: 'INVALID_ARGUMENT',
      message: /nothing was written/,
    });
    assert.equal(readFileSync(file, 'utf8'), text);
  }
  assert.deepEqual(readdirSync(folder), ['file']);
});

test(
  'folders of pictures carry the names that the desktop gave them',
  { skip: process.platform !== 'linux' && 'user-dirs.dirs is Linux’s' },
  () => {
    const user = scratchFolder('home');
    const before = process.env['XDG_CONFIG_HOME'];
    delete process.env['XDG_CONFIG_HOME'];
    after(() => before !== undefined && (process.env['XDG_CONFIG_HOME'] = before));
    const english = pictureFolders(client('lm-studio', user), false, user);
    assert.deepEqual(
      english,
      ['Desktop', 'Pictures', 'Downloads'].map((folder) => join(user, folder)),
    );
    mkdirSync(join(user, '.config'));
    writeFileSync(
      join(user, '.config', 'user-dirs.dirs'),
      'XDG_DESKTOP_DIR="$HOME/Schreibtisch"\nXDG_PICTURES_DIR="/data/Bilder"\nXDG_DOWNLOAD_DIR="$HOME/"\n',
    );
    const german = pictureFolders(client('lm-studio', user), false, user);
    assert.deepEqual(german, [join(user, 'Schreibtisch'), '/data/Bilder', join(user, 'Downloads')]);
  },
);

test('pasted pictures are allowed when asked for', () => {
  const chosen = client('claude-code', home);
  assert.ok(!pictureFolders(chosen, false, home).includes(chosen.pasted!));
  assert.ok(pictureFolders(chosen, true, home).includes(chosen.pasted!));
});

const built = existsSync(join(ROOT, 'dist', 'src', 'main.js'));
for (const name of CLIENTS) {
  test(
    `${name}: the server starts as the client starts it and reads a picture on the Desktop`,
    { skip: !built && 'npm run build makes the program that clients start' },
    async () => {
      mkdirSync(join(home, 'Desktop'), { recursive: true });
      const picture = join(home, 'Desktop', 'login.png');
      copyFileSync(join(ROOT, 'models/starter/examples/login.png'), picture);
      const chosen = client(name, home);
      const folders = pictureFolders(chosen, false, home).flatMap((folder) => ['--allow', folder]);
      const start = launch([
        ...folders,
        '--deadline-ms',
        String(deadlineFor(chosen)),
        '--no-disk-cache',
        '--threads',
        '1',
      ]);
      const [command, ...args] = commandLine(entryIn(name, snippet(chosen, start)));
      const transport = new StdioClientTransport({
        command: command!,
        args,
        cwd: '/',
        env: { PATH: '/usr/bin:/bin', HOME: home },
        stderr: 'ignore',
      });
      const mcp = new Client({ name: 'as-a-client', version: '1' });
      await mcp.connect(transport);
      try {
        const result = await mcp.callTool({
          name: 'describe_image',
          arguments: { image: picture, max_tokens: 8 },
        });
        assert.ok(!result.isError, JSON.stringify(result.content));
        assert.ok((result.structuredContent as { answer: string }).answer.length > 0);
      } finally {
        await mcp.close();
      }
    },
  );
}
