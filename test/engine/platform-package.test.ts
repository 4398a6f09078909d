// The package with the addon for a platform is taken at our own version only: another release speaks in another way.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { packageRoot } from '../../src/package-root.js';
import { packageVersion } from '../../src/version.js';
import { program } from '../built.js';

const home = mkdtempSync(join(tmpdir(), 'afterimage-platform-'));
after(() => rmSync(home, { recursive: true, force: true }));
const name = `afterimage-mcp-${process.platform}-${process.arch}`;

/** What a program says that finds a package of this version, and no addon elsewhere. */
function withPackage(version: string): string {
  const folder = join(home, version, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version, main: 'afterimage.node' }));
  copyFileSync(join(packageRoot(), 'build/Release/afterimage.node'), join(folder, 'afterimage.node'));
  const text = `import { loadAddon } from '../../src/engine/native.ts';
    try { console.log(typeof loadAddon().Engine); } catch (error) { console.log(error.message); }`;
  const { stdout } = spawnSync(process.execPath, program(import.meta.url, text), {
    encoding: 'utf8',
    env: {
      PATH: '/nothing',
      HOME: home,
      NODE_PATH: join(home, version),
      AFTERIMAGE_ADDON: join(home, 'none.node'),
      XDG_CACHE_HOME: join(home, 'cache'),
    },
  });
  return stdout;
}

test('our own version is taken', () => assert.match(withPackage(packageVersion()), /^function/));

test('another is named and left alone', () =>
  assert.match(
    withPackage('9.9.9'),
    new RegExp(`${name}: it is of version 9.9.9, not ${packageVersion()}`.replaceAll('.', '\\.')),
  ));
