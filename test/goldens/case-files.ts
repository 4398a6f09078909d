// Reading golden cases: requests, expected numbers, images.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode } from '../../src/image/decode.js';
import { DEFAULT_LIMITS } from '../../src/image/limits.js';
import { momentsOf, stacked } from '../../src/image/frames.js';
import type { Moment, RgbImage } from '../../src/image/rgb-image.js';
import { readSafetensors, toFloats } from './reference-weights.js';

/** `video`: names of frames, so many a second. */
export type GoldenPart =
  | { type: 'text'; text: string }
  | { type: 'image'; image: string }
  | { type: 'video'; video: string[]; fps: number };

/** What is seen at a time: a picture, or two frames of a timeline. */
export interface Seen {
  image: RgbImage;
  moment?: Moment;
}

export interface GoldenMessage {
  role: 'system' | 'user' | 'assistant';
  content: string | GoldenPart[];
}

export interface GoldenTurn {
  messages: GoldenMessage[];
  prompt: string;
  input_ids: number[];
  image_runs: [number, number][];
  layout: Record<string, unknown>;
  position_ids?: number[][];
  rope_delta?: number;
  token_type_ids?: number[];
  common_prefix?: number;
  generated_ids: number[];
  finish_reason: string;
  min_margin: number;
}

export interface Expected {
  shape: number[];
  data: Float32Array;
}

export interface GoldenCase {
  name: string;
  folder: string;
  turns: GoldenTurn[];
  /** By key without the turn's prefix. */
  expected: (turn: number, key: string) => Expected | undefined;
}

export function readCases(family: string): GoldenCase[] {
  const folder = join(family, 'cases');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .filter((name) => existsSync(join(folder, name, 'case.json')))
    .map((name) => readCase(name, join(folder, name)));
}

function readCase(name: string, folder: string): GoldenCase {
  const { turns } = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as { turns: GoldenTurn[] };
  const arrays = readSafetensors([join(folder, 'expect.safetensors')]);
  const expected = (turn: number, key: string): Expected | undefined => {
    const stored = arrays.get(`t${turn}.${key}`);
    return stored && { shape: stored.shape, data: toFloats(stored) };
  };
  return { name, folder, turns, expected };
}

/** What is seen in a turn, in prompt order. */
export async function seenIn(folder: string, { messages }: GoldenTurn): Promise<Seen[]> {
  const parts = messages.flatMap(({ content }) => (typeof content === 'string' ? [] : content));
  return (await Promise.all(parts.map((part) => seenOf(folder, part)))).flat();
}

async function seenOf(folder: string, part: GoldenPart): Promise<Seen[]> {
  if (part.type === 'text') return [];
  if (part.type === 'image') return [{ image: await readImage(folder, part.image) }];
  const frames = await Promise.all(part.video.map((name) => readImage(folder, name)));
  const timeline = frames.map((frame, i) => ({ frame, seconds: i / part.fps }));
  return momentsOf(timeline, part.fps).map((of) => ({ image: stacked(of.frames), moment: of.moment }));
}

function readImage(folder: string, name: string): Promise<RgbImage> {
  // The references drop alpha; what the product lays transparent pictures on is its own affair.
  return decode(readFileSync(join(folder, name)), name, DEFAULT_LIMITS, 'dropped');
}
