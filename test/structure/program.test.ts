// What was built: `afterimage ocr` waits for each file that it loads, and threads are started by address.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { built } from '../built.js';

const SCRIPTS = dirname(built());
const SOURCES = join(import.meta.dirname, '../../src');

/** A script and all that it imports, which is loaded with it. */
function loadedWith(script: string, found = new Set<string>()): Set<string> {
  if (found.has(script)) return found;
  found.add(script);
  const text = readFileSync(script, 'utf8');
  for (const [, path] of text.matchAll(/^(?:import|export) (?:[^;"]* from )?"(\.[^"]+)";$/gm))
    loadedWith(resolve(dirname(script), path!), found);
  return found;
}

const named = (name: string): string =>
  readdirSync(join(SCRIPTS, 'program'))
    .filter((file) => file.endsWith('.js') && file.startsWith(`${name}-`))
    .map((file) => join(SCRIPTS, 'program', file))
    .at(0)!;

test('what `afterimage ocr` loads is four files beside the entry', () => {
  const [start, decoder, reader, tools] = ['start', 'decoder', 'reader', 'tools'].map(named);
  const of = (script: string) =>
    [...loadedWith(script)].filter((file) => !/rolldown-runtime/.test(file)).sort();
  assert.deepEqual(of(built()), [built(), start].sort());
  assert.deepEqual(of(tools!), [start, decoder, reader, tools].sort());
});

test('nothing of the protocol or of a family of models is among them', () => {
  for (const name of ['start', 'decoder', 'reader', 'tools'])
    assert.doesNotMatch(readFileSync(named(name), 'utf8'), /class McpServer|modelTypes: \[/);
});

test('each job of a thread has kept its address', () => {
  const sources = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const jobs = sources.flatMap((source) =>
    [
      ...readFileSync(join(SOURCES, source), 'utf8').matchAll(
        /(?:\bjob<|new LimitedThread<)[^;]*?'(\.[\w/.-]*\/[\w-]+)'/g,
      ),
    ].map(([, job]) => join(dirname(source), job!)),
  );
  assert.ok(jobs.length > 10);
  for (const job of jobs) assert.ok(existsSync(join(SCRIPTS, `${job}.js`)), job);
});
