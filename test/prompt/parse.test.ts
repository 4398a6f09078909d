import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLines } from '../../src/prompt/parse.js';

const viewed = { width: 640, height: 320 };
const original = { width: 1280, height: 640 };
const relative = { boxes: { scale: 'relative-1000' as const }, viewed, original };
const line = (text: string, x: number, y: number, width: number, height: number) => ({
  text,
  x,
  y,
  width,
  height,
});

test('a fenced list with relative boxes becomes lines in original pixels', () => {
  const answer =
    '```json\n[{"bbox_2d": [0, 0, 500, 250], "text": "Hello"},\n {"bbox_2d": [500, 500, 1000, 1000], "text": "a \\"b\\" \\u00e9\\n"}]\n```';
  assert.deepEqual(parseLines(answer, relative), {
    lines: [line('Hello', 0, 0, 640, 160), line('a "b" é\n', 640, 320, 640, 320)],
    unparsed: 0,
    truncated: false,
  });
});

test('viewed pixels are scaled to the original, or into the region that was shown', () => {
  const answer = '[{"bbox_2d": [10, 20, 30.5, 40], "text_content": "x"}]';
  const boxes = { scale: 'viewed-pixels' as const };
  assert.deepEqual(parseLines(answer, { boxes, viewed, original }).lines, [line('x', 20, 40, 41, 40)]);
  const shown = { x: 100, y: 200, width: 320, height: 160 };
  assert.deepEqual(parseLines(answer, { boxes, viewed, original, shown }).lines, [
    line('x', 105, 210, 11, 10),
  ]);
});

test('what a cut-off answer holds is kept', () => {
  const answer = '[{"bbox_2d": [0, 0, 100, 100], "text": "kept"}, {"bbox_2d": [0, 100, 100, 2';
  assert.deepEqual(parseLines(answer, relative), {
    lines: [line('kept', 0, 0, 128, 64)],
    unparsed: 1,
    truncated: true,
  });
  const almost = '[{"bbox_2d": [0, 0, 100, 100], "text": "closed but for the brace"';
  assert.equal(parseLines(almost, relative).lines[0]!.text, 'closed but for the brace');
});

test('almost-JSON is read: single quotes, wrappers, other key names, missing commas, braces in text', () => {
  for (const answer of [
    `[{'bbox': [0, 0, 100, 100], 'label': 'it'}]`,
    '{"lines": [{"box": [0,0,100,100] "text": "it"}]}',
    'Here you are: {"text": "it", "bbox_2d": [0, 0, 100, 100],}',
    '{bbox_2d: [0, 0, 100, 100], text: "it"}',
    '[{"bbox_2d": [100, 100, 0, 0], "text": "it"}]',
  ]) {
    assert.deepEqual(parseLines(answer, relative).lines, [line('it', 0, 0, 128, 64)], answer);
  }
  const braces =
    '[{"bbox_2d": [0,0,100,100], "text": "if (x) { y }"}, {"bbox_2d": [0,0,100,100], "text": "}"}]';
  assert.deepEqual(
    parseLines(braces, relative).lines.map(({ text }) => text),
    ['if (x) { y }', '}'],
  );
});

test('a quote that never ends does not swallow the entries after it', () => {
  const answer = '[{"bbox_2d": [0,0,100,100], "text": "oops}, {"bbox_2d": [0,0,100,100], "text": "fine"}]';
  assert.deepEqual(
    parseLines(answer, relative).lines.map(({ text }) => text),
    ['fine'],
  );
});

test('boxes outside the image are cut to it; empty and broken ones are counted', () => {
  const answer = [
    '{"bbox_2d": [900, 900, 1500, 1500], "text": "cut"}',
    '{"bbox_2d": [1100, 0, 1200, 100], "text": "outside"}',
    '{"bbox_2d": [0, 0, 100], "text": "three numbers"}',
    '{"bbox_2d": [0, 0, 1e999, 100], "text": "endless"}',
    '{"bbox_2d": [0, 0, "x", 100], "text": "no number"}',
    '{"bbox_2d": [], "text": "none"}',
    '{"text": "no box"}',
    '{"bbox_2d": [0, 0, 100, 100]}',
  ].join(',\n');
  const { lines, unparsed } = parseLines(`[${answer}]`, relative);
  assert.deepEqual(lines, [line('cut', 1152, 576, 128, 64)]);
  assert.equal(unparsed, 7);
});

test('an answer that is no list is counted by its lines', () => {
  assert.deepEqual(parseLines('Invoice\nTotal 5', relative), { lines: [], unparsed: 2, truncated: false });
  assert.deepEqual(parseLines('```json\n[]\n```', relative), { lines: [], unparsed: 0, truncated: false });
});

test('no answer makes it throw or take long', () => {
  const whole =
    '[{"bbox_2d": [0, 0, 500, 250], "text": "a \\"q\\" {x}"}, {\'bbox\': [1,2,3,4], \'text\': \'b\'}]';
  for (let end = 0; end <= whole.length; end++) parseLines(whole.slice(0, end), relative);
  for (let start = 0; start <= whole.length; start++) parseLines(whole.slice(start), relative);
  const started = performance.now();
  for (const unit of ['{', '{"', '[', '{"text": "', '\\', '{"bbox_2d": ['])
    parseLines(unit.repeat(20_000), relative);
  assert.ok(performance.now() - started < 5_000);
});
