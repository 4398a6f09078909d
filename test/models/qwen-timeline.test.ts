// The time of a moment as Python writes it with one digit: f'{seconds:.1f}' of 0.25 is 0.2, of 0.75 is 0.8.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { momentLayout, type QwenTimeline } from '../../src/models/processors/qwen-timeline.js';

const timeline: QwenTimeline = {
  videoToken: '<|video_pad|>',
  limits: { minPixels: 1, maxPixels: 1 },
  told: true,
};

for (const [seconds, said] of [
  [0.25, '0.2'],
  [0.75, '0.8'],
  [1.25, '1.2'],
  [0.125, '0.1'],
  [0.35, '0.3'],
  [0.45, '0.5'],
  [2, '2.0'],
] as const)
  test(`${seconds} seconds are told as ${said}`, () => {
    const { placeholder } = momentLayout(timeline, { index: 0, seconds, rate: 4, frames: 2 }, 1);
    assert.ok(placeholder.startsWith(`<${said} seconds>`), placeholder);
  });
