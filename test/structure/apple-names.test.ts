// The Metal host file uses only what is listed with the macOS that brought it, and guards what is newer than the systems
// and the headers that it is built for.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { APPLE_NAMES, numbered, usesIn } from '../../native/metal/rig/apple-names.js';

const root = join(import.meta.dirname, '../..');
const host = readFileSync(join(root, 'native/metal/device.mm'), 'utf8');
const uses = usesIn(host);

/** What is wrong with a use, or nothing. */
function fault({ name, system, sdk }: (typeof uses)[number]): string | undefined {
  const known = APPLE_NAMES.get(name);
  if (!known) return 'is not listed in native/metal/rig/apple-names.ts';
  if (numbered(known.since) > system) return `came with macOS ${known.since}: guard it with MACOS_AT_LEAST`;
  if (numbered(known.since) > sdk) return `is in the headers since macOS ${known.since}: guard it with #if`;
  return undefined;
}
const faults = (found: typeof uses) =>
  found.flatMap((use) => (fault(use) ? [`line ${use.line}: ${use.name} ${fault(use)}`] : []));

test('every name of Apple’s is listed, and guarded where it is newer than the oldest system and headers', () => {
  assert.ok(uses.length > 100, `${uses.length} uses were read`);
  assert.deepEqual(faults(uses), []);
});

test('nothing is listed that is not used', () => {
  const used = new Set(uses.map(({ name }) => name));
  assert.deepEqual(
    [...APPLE_NAMES.keys()].filter((name) => !used.has(name)),
    [],
  );
});

test('what is deprecated is used only below the system that replaced it', () => {
  for (const [name, { until }] of APPLE_NAMES) {
    if (!until) continue;
    for (const { line } of uses.filter((use) => use.name === name)) {
      const before = host
        .split('\n')
        .slice(0, line - 1)
        .join('\n');
      const guard = before.lastIndexOf(`if (MACOS_AT_LEAST(${until})) {`);
      assert.ok(guard >= 0 && /return;\s*\}/.test(before.slice(guard)), `${name} in line ${line}`);
    }
  }
});

test('a use without its guard is found', () => {
  const unguarded = host.replaceAll('if (MACOS_AT_LEAST(15.0)) {', 'if (true) {');
  assert.ok(faults(usesIn(unguarded)).some((text) => text.includes('setMathMode: came with macOS 15.0')));
  const anySdk = host.replaceAll('#if __MAC_OS_X_VERSION_MAX_ALLOWED >= 150000\n', '#if 1\n');
  assert.ok(faults(usesIn(anySdk)).some((text) => text.includes('MTLMathModeSafe is in the headers')));
  const unknown = host.replace('[queue commandBuffer]', '[queue commandBufferWithUnretainedReferences]');
  assert.ok(
    faults(usesIn(unknown)).some((text) => text.includes('commandBufferWithUnretainedReferences is not')),
  );
});

test('selectors are read whole, wherever they stand', () => {
  const names = usesIn(
    'x = [[a b:[c d] e:f(1)] g];\nint y = table[3];\nif (f(1)) [h i:2];\nauto l = [](int i) { return i; };',
  ).map(({ name }) => name);
  assert.deepEqual(names, ['g', 'b:e:', 'd', 'i:']);
});

test('the build asks for the same oldest system', () => {
  const cmake = readFileSync(join(root, 'native/CMakeLists.txt'), 'utf8');
  assert.match(cmake, /set\(CMAKE_OSX_DEPLOYMENT_TARGET 13\.3 CACHE/);
});

test('CoreGraphics is linked: a process without it is given no default device', () => {
  const cmake = readFileSync(join(root, 'native/metal/CMakeLists.txt'), 'utf8');
  assert.match(cmake, /^ *target_link_libraries\(afterimage_metal PUBLIC .*"-framework CoreGraphics"/m);
});
