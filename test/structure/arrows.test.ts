// The house's own arrows point downstream, and the check sees what does not.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readImports, violations } from './arrows.js';

const imports = (arrows: Record<string, string[]>) => new Map(Object.entries(arrows));

test('no import of this project runs back up or in a circle', () => {
  const found = readImports(join(import.meta.dirname, '../..'));
  assert.ok(found.get('src/mcp/server.ts')?.includes('prompts/index.ts'));
  assert.deepEqual(violations(found), []);
});

test('an import that runs up is named', () => {
  assert.deepEqual(violations(imports({ 'src/version.ts': ['src/engine/native.ts'] })), [
    'src/version.ts imports src/engine/native.ts, which lies above it',
  ]);
  assert.equal(violations(imports({ 'src/models/towers/qwen3.ts': ['src/prompt/layout.ts'] })).length, 1);
  assert.deepEqual(violations(imports({ 'tools/ocr.ts': ['src/ask/call.ts', 'src/errors.ts'] })), []);
});

test('a circle is named, of files in one folder and of folders side by side', () => {
  assert.deepEqual(
    violations(
      imports({
        'src/ask/a.ts': ['src/ask/b.ts'],
        'src/ask/b.ts': ['src/ask/c.ts'],
        'src/ask/c.ts': ['src/ask/a.ts'],
      }),
    ),
    ['a circle: src/ask/a.ts → src/ask/b.ts → src/ask/c.ts → src/ask/a.ts'],
  );
  assert.deepEqual(
    violations(imports({ 'src/mcp/a.ts': ['src/http/b.ts'], 'src/http/c.ts': ['src/mcp/d.ts'] })),
    ['a circle: src/mcp → src/http → src/mcp'],
  );
});

test('a file in a new folder must be given its place', () => {
  assert.throws(
    () => violations(imports({ 'src/new/a.ts': ['src/errors.ts'] })),
    /src\/new\/a\.ts lies in no/,
  );
});
