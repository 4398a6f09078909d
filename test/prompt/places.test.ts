// Every family's way of writing where something is, read back to exact pixels; and what is no place.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BoxScale } from '../../src/image/region.js';
import { parsePlaces, type Saw } from '../../src/prompt/places.js';

const viewed = { width: 640, height: 320 };
const original = { width: 1280, height: 640 };
const as = (scale: BoxScale, more: Partial<Saw> = {}): Saw => ({ scale, viewed, original, ...more });
const box = (x: number, y: number, width: number, height: number) => ({
  center: { x: x + Math.floor(width / 2), y: y + Math.floor(height / 2) },
  box: { x, y, width, height },
});
const point = (x: number, y: number) => ({ center: { x, y } });

describe('the forms of the families', () => {
  const forms: [name: string, scale: BoxScale, answer: string, places: object[]][] = [
    [
      'Qwen3-VL',
      'relative-1000',
      '```json\n[{"bbox_2d": [250, 500, 500, 750], "label": "Send"}]\n```',
      [box(320, 320, 320, 160)],
    ],
    ['Qwen3-VL, a point', 'relative-1000', '{"point_2d": [250, 500], "label": "Send"}', [point(320, 320)]],
    [
      'Qwen2.5-VL',
      'viewed-pixels',
      '[{"bbox_2d": [160, 160, 320, 240], "label": "Send"}]',
      [box(320, 320, 320, 160)],
    ],
    [
      'one that acts by Qwen2.5-VL',
      'viewed-pixels',
      "Thought: here.\nAction: click(start_box='(160,160)')",
      [point(320, 320)],
    ],
    [
      'the same with marks',
      'viewed-pixels',
      "Action: click(start_box='<|box_start|>(160,160)<|box_end|>')",
      [point(320, 320)],
    ],
    [
      'Qwen2-VL',
      'relative-1000',
      '<|object_ref_start|>Send<|object_ref_end|><|box_start|>(250,500),(500,750)<|box_end|>',
      [box(320, 320, 320, 160)],
    ],
    [
      'Qwen2-VL without its marks',
      'relative-1000',
      'the Send button(250,500),(500,750)',
      [box(320, 320, 320, 160)],
    ],
    [
      'PaliGemma',
      'relative-1024',
      '<loc0512><loc0256><loc0768><loc0512> send button',
      [box(320, 320, 320, 160)],
    ],
    [
      'PaliGemma, two',
      'relative-1024',
      '<loc0512><loc0256><loc0768><loc0512> send ; <loc0000><loc0000><loc0512><loc0512> send',
      [box(320, 320, 320, 160), box(0, 0, 640, 320)],
    ],
    ['Kimi', 'relative-1', '{"bbox": [0.25, 0.5, 0.5, 0.75]}', [box(320, 320, 320, 160)]],
    ['Kimi, an action', 'relative-1', 'pyautogui.click(x=0.25, y=0.5)', [point(320, 320)]],
    [
      'LocateAnything',
      'relative-1000',
      '<ref>Send</ref><box><250><500><500><750></box>',
      [box(320, 320, 320, 160)],
    ],
    ['LocateAnything, a point', 'relative-1000', '<ref>Send</ref><box><250><500></box>', [point(320, 320)]],
    [
      'InternVL',
      'relative-1000',
      '<ref>Send</ref><box>[[250, 500, 500, 750]]</box>',
      [box(320, 320, 320, 160)],
    ],
    [
      'DeepSeek-OCR',
      'relative-1000',
      '<|ref|>Send<|/ref|><|det|>[[250, 500, 500, 750]]<|/det|>',
      [box(320, 320, 320, 160)],
    ],
    [
      'GLM',
      'relative-1000',
      'It is at <|begin_of_box|>[[250,500,500,750]]<|end_of_box|>.',
      [box(320, 320, 320, 160)],
    ],
    ['nothing but the numbers', 'relative-1000', '[250, 500, 500, 750]', [box(320, 320, 320, 160)]],
    [
      'two lists of numbers',
      'relative-1000',
      '[[250, 500, 500, 750], [0, 0, 500, 500]]',
      [box(320, 320, 320, 160), box(0, 0, 640, 320)],
    ],
  ];
  for (const [name, scale, answer, places] of forms)
    test(name, () => assert.deepEqual(parsePlaces(answer, as(scale)), places));
});

test('a region is brought back into the whole picture', () => {
  const shown = { x: 100, y: 200, width: 320, height: 160 };
  assert.deepEqual(parsePlaces('{"bbox_2d": [250, 500, 500, 750]}', as('relative-1000', { shown })), [
    box(180, 280, 80, 40),
  ]);
  assert.deepEqual(parsePlaces('<loc0512><loc0256><loc0768><loc0512>', as('relative-1024', { shown })), [
    box(180, 280, 80, 40),
  ]);
  assert.deepEqual(parsePlaces('click(x=0.25, y=0.5)', as('relative-1', { shown })), [point(180, 280)]);
});

test('a box drawn into any size is read back to the pixel', () => {
  for (const [width, height, seen] of [
    [1920, 1080, { width: 1288, height: 728 }],
    [333, 777, { width: 336, height: 784 }],
    [4000, 3000, { width: 1148, height: 868 }],
  ] as const) {
    const saw = as('viewed-pixels', { original: { width, height }, viewed: seen });
    const [x, y, w, h] = [Math.floor(width / 7), Math.floor(height / 3), Math.floor(width / 5), 40];
    const [kx, ky] = [seen.width / width, seen.height / height];
    const said = [x * kx, y * ky, (x + w) * kx, (y + h) * ky].map((at) => at.toFixed(9)).join(', ');
    assert.deepEqual(parsePlaces(`{"bbox_2d": [${said}]}`, saw)[0]!.box, { x, y, width: w, height: h });
  }
});

test('what lies outside is cut off or left out, and what this scale cannot mean is no place', () => {
  const cases: [BoxScale, string, object[]][] = [
    ['relative-1000', '{"bbox_2d": [900, 900, 1500, 1500]}', [box(1152, 576, 128, 64)]],
    ['relative-1000', '{"bbox_2d": [-200, -200, 100, 100]}', [box(0, 0, 128, 64)]],
    ['relative-1000', '{"bbox_2d": [1100, 0, 1200, 100]}', []],
    ['relative-1000', '{"bbox_2d": [0, 0, 99999, 100]}', []],
    ['relative-1000', '{"bbox_2d": [500, 500, 500, 700]}', []],
    ['relative-1000', '{"point_2d": [1001, 10]}', []],
    ['relative-1', '{"bbox": [250, 500, 500, 750]}', []],
    ['viewed-pixels', '{"point": [640, 320]}', [point(1279, 639)]],
  ];
  for (const [scale, answer, places] of cases)
    assert.deepEqual(parsePlaces(answer, as(scale)), places, answer);
});

test('no place is made of prose, of other numbers, of a cut answer or of text that the picture holds', () => {
  for (const answer of [
    '',
    'The image shows no Send button.',
    'It costs (12, 40) and was seen 3, 4, 5, 6 times.',
    'Its colour is [255, 0, 0].',
    '[]',
    '<box>none</box>',
    '<loc0512><loc0256><loc0768>',
    '{"bbox_2d": [250, 500, 500',
    '{"bbox_2d": ["a", 1, 2, 3]}',
    '{"bbox_2d": [1e9, 1, 2, 3]}',
    '{"label": "ignore that, bbox_2d: [0, 0, 1000, 1000]"}',
    '{"text": "he said \\"bbox_2d\\": [0, 0, 500, 500]", "found": false}',
    '{"label": "cut off, bbox_2d: [0, 0, 1000, 1000]',
    '<ref><box>[[0, 0, 500, 500]]</box></ref>',
    '<|object_ref_start|>(1,2),(300,400)<|object_ref_end|>',
  ])
    assert.deepEqual(parsePlaces(answer, as('relative-1000')), [], answer);
});

test('the same place twice is one, and a model that repeats itself has an end', () => {
  const one = '{"bbox_2d": [250, 500, 500, 750]}';
  assert.equal(parsePlaces(`${one}, ${one}`, as('relative-1000')).length, 1);
  const many = Array.from({ length: 500 }, (_, i) => `{"bbox_2d": [${i}, 0, 1000, 1000]}`).join();
  assert.equal(parsePlaces(many, as('relative-1000')).length, 32);
});

test('no answer makes it throw or take long', () => {
  const whole = '[{"bbox_2d": [1, 2, 30, 40], "label": "a"}] <box><1><2><3><4></box> (1,2),(3,4)';
  for (let end = 0; end <= whole.length; end++) parsePlaces(whole.slice(0, end), as('relative-1000'));
  const started = performance.now();
  for (const unit of [
    '{',
    '[',
    '(1,',
    '<loc0001>',
    '<box>',
    '"bbox_2d": [1',
    '<ref>',
    '"label": "',
    ' ',
    '1',
  ])
    parsePlaces(unit.repeat(40_000), as('relative-1000'));
  assert.ok(performance.now() - started < 5_000);
});
