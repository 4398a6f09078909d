// Small parts of the protocol layer on their own: progress, lines of stdin, results, client snippets, shipped files.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerContext } from '@modelcontextprotocol/server';
import { AfterimageError } from '../../src/errors.js';
import { WholeLines } from '../../src/mcp/lines.js';
import { createLog } from '../../src/mcp/log.js';
import { ProgressReporter } from '../../src/mcp/progress.js';
import { toCallResult, toErrorResult } from '../../src/mcp/results.js';
import { tools } from '../../tools/index.js';
import { ROOT, type Json } from './clients.js';

function reporter(progressToken?: string): { progress: ProgressReporter; sent: Json[] } {
  const sent: Json[] = [];
  const mcpReq = { _meta: { progressToken }, notify: async ({ params }: Json) => void sent.push(params) };
  return { sent, progress: new ProgressReporter({ mcpReq } as unknown as ServerContext) };
}

test('progress rises strictly even when stages come back, and stays within its total', async () => {
  const { progress, sent } = reporter('t');
  for (let round = 0; round < 3; round++) {
    for (const stage of ['queue', 'load', 'encode', 'prefill', 'decode'] as const) {
      for (const done of [0, 1, 1, 0, 5, 10])
        progress.report({ stage, done, total: stage === 'queue' ? undefined : 10 });
    }
  }
  await progress.close();
  assert.ok(sent.length >= 5);
  for (const [index, { progress: value, total }] of sent.entries()) {
    assert.ok(value <= total);
    assert.ok(index === 0 || value > sent[index - 1].progress);
  }
});

test('a stage that reports less than before, or the same again, is not passed on', async () => {
  const { progress, sent } = reporter('t');
  for (const done of [5, 3, 5, 6]) {
    progress.report({ stage: 'decode', done, total: 10 });
    await sleep(220);
  }
  await progress.close();
  assert.deepEqual(
    sent.map(({ message }) => message),
    ['answering, 50 %', 'answering, 60 %'],
  );
});

test('nobody who did not ask gets progress', async () => {
  const { progress, sent } = reporter();
  progress.report({ stage: 'encode', done: 1, total: 2 });
  await progress.close();
  assert.deepEqual(sent, []);
});

test('lines come out whole, however they are cut, and long ones are left out once', async () => {
  let tooLong = 0;
  const lines = new WholeLines(10, () => tooLong++);
  let out = '';
  lines.on('data', (chunk) => {
    assert.ok(String(chunk).endsWith('\n'), 'only whole lines');
    out += chunk;
  });
  const text = 'one\ntwo\r\n0123456789abcdef\nthree\n\nfour\nrest';
  for (const size of [1, 3, 7, 100]) {
    for (let at = 0; at < text.length; at += size) lines.write(text.slice(at, at + size));
    lines.write('\n');
  }
  await new Promise((resolve) => lines.end(resolve));
  const kept = 'one\ntwo\r\nthree\n\nfour\nrest\n';
  assert.equal(out.replaceAll('0123456789abcdef\n', ''), kept.repeat(4));
  assert.ok(tooLong >= 3, 'a line that arrives in one piece may pass: it was already in memory');
});

test('an answer is in structuredContent and in content', () => {
  const result = toCallResult({
    structured: { answer: 'A', session_id: 's' },
    references: [{ uri: 'a://b', name: 'n', description: 'd', mimeType: 'm' }],
  });
  assert.deepEqual(result.structuredContent, { answer: 'A', session_id: 's' });
  assert.deepEqual(
    result.content.map((part) => (part.type === 'text' ? part.text : part.type)),
    ['A', '{"session_id":"s"}', 'resource_link'],
  );
});

test('errors keep their code; mistakes of ours do not show their insides', () => {
  const log = createLog({ level: 'silent' });
  const known = toErrorResult(new AfterimageError('OUT_OF_MEMORY', 'Too much. Use less.'), log) as Json;
  assert.equal(known.content[0].text, 'OUT_OF_MEMORY: Too much. Use less.');
  assert.equal(known.isError, true);
  assert.equal(known.structuredContent, undefined);
  const unknown = toErrorResult(new TypeError('secret of /home/me'), log) as Json;
  assert.doesNotMatch(unknown.content[0].text, /secret/);
  assert.match(unknown.content[0].text, /^INTERNAL: .*[0-9a-f-]{36}/);
  const long = toErrorResult(
    new AfterimageError('IMAGE_NOT_FOUND', `${'a'.repeat(9000)}; check the path.`),
    log,
  ) as Json;
  assert.ok(long.content[0].text.length < 1300);
  assert.match(long.content[0].text, /check the path\.$/);
});

test('descriptions name their siblings and do not push', () => {
  const names = tools.map(({ name }) => name);
  for (const { name, description, input, output } of tools) {
    assert.ok(names.filter((other) => other !== name && description.includes(other)).length >= 2, name);
    assert.doesNotMatch(description, /\b(MUST|ALWAYS|NEVER|ONLY|best)\b/);
    assert.ok(name.length <= 64 && description.length < 900);
    assert.ok('answer' in output.shape && Object.keys(input.shape).length > 0);
  }
});

test('the shipped descriptions of the server agree with it', () => {
  const read = (file: string): Json => JSON.parse(readFileSync(`${ROOT}${file}`, 'utf8'));
  const { version, name } = read('package.json');
  const registry = read('server.json');
  assert.equal(registry.version, version);
  assert.deepEqual(
    registry.packages.map((entry: Json) => [entry.identifier, entry.version]),
    [[name, version]],
  );
  assert.ok(registry.description.length <= 100, 'the limit of the registry');
  const bundle = read('bundle/manifest.json');
  assert.deepEqual(bundle.tools.map((tool: Json) => tool.name).sort(), tools.map((tool) => tool.name).sort());
  assert.deepEqual(read('mcp.json').mcpServers.afterimage, { command: 'npx', args: ['-y', name, 'mcp'] });
});
