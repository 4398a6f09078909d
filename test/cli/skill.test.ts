// The skill for agents names tools, arguments and codes that exist, ships with the package, and `config` says where it is.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { isErrorCode } from '../../src/errors.js';
import { tools } from '../../tools/index.js';
import { afterimage } from './command.js';

const ROOT = join(import.meta.dirname, '..', '..');
const FILE = join(ROOT, 'skills', 'afterimage', 'SKILL.md');
const [, head, body] = /^---\n([^]*?)\n---\n([^]*)$/.exec(readFileSync(FILE, 'utf8')) as unknown as string[];

test('its head is what agents read of every skill: the name of its folder, and when to use it', () => {
  const { name, description } = parse(head!) as { name: string; description: string };
  assert.equal(name, basename(dirname(FILE)));
  assert.ok(description.length <= 1024 && description.includes('Use it whenever'));
});

test('each row of its table names a tool and arguments that it takes', () => {
  const rows = body!.split('\n').filter((line) => line.startsWith('| ') && line.includes('`'));
  const named = rows.map((row) => row.split('|')[2]!);
  for (const cell of named) {
    const [called, ...args] = [...cell.matchAll(/`([a-z_]+)(?:: "[^"]*")?`/g)].map((match) => match[1]!);
    const tool = tools.find(({ name }) => name === called);
    assert.ok(tool, cell);
    for (const arg of args) assert.ok(arg in tool.input.shape, `${called} takes ${arg}`);
  }
  assert.deepEqual(
    [...new Set(named.map((cell) => /`(\w+)/.exec(cell)![1]))].sort(),
    tools.map(({ name }) => name).sort(),
  );
});

test('its error codes exist', () => {
  const codes = [...body!.matchAll(/`([A-Z]+_[A-Z_]+)`/g)].map((match) => match[1]!);
  assert.ok(codes.length >= 4);
  for (const code of codes) assert.ok(isErrorCode(code), code);
});

test('the package ships it, and config says where it is', async () => {
  const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { files: string[] };
  assert.ok(files.includes('skills'));
  const { code, stderr } = await afterimage(['config', 'cursor']);
  assert.equal(code, 0);
  assert.ok(stderr.includes(dirname(FILE)), stderr);
});
