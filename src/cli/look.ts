// The commands that answer once: describe, ask, compare. Each is the tool of its name, with a person's arguments.
import { chatWithImages } from '../../tools/chat-with-images.js';
import { compareImages, type Comparison } from '../../tools/compare-images.js';
import { describeImage, DETAILS } from '../../tools/describe-image.js';
import { AfterimageError } from '../errors.js';
import type { Options } from './options.js';
import { Terminal, type Result } from './terminal.js';

export async function describe(options: Options, signal: AbortSignal): Promise<void> {
  const [image] = files(options, 1, 'afterimage describe FILE');
  const detail = options.choice('detail', DETAILS);
  await Terminal.use(options, signal, async (terminal) => {
    await terminal.show(describeImage, { image, detail });
  });
}

export async function ask(options: Options, signal: AbortSignal): Promise<void> {
  const images = options.positionals.slice(0, -1);
  const message = options.positionals.at(-1);
  if (!message || images.length === 0) throw usage('afterimage ask FILE... "QUESTION"');
  await Terminal.use(options, signal, async (terminal) => {
    await terminal.show(chatWithImages, { images, message });
  });
}

export async function compare(options: Options, signal: AbortSignal): Promise<void> {
  const [image_a, image_b] = files(options, 2, 'afterimage compare BEFORE AFTER');
  await Terminal.use(options, signal, async (terminal) => {
    await terminal.show(compareImages, { image_a, image_b }, changes);
  });
}

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

function changes(result: Result): string {
  const { answer, changed_pixels, regions } = result as Result & Comparison;
  if (changed_pixels === 0) return answer;
  return [
    answer,
    'Changed:',
    ...regions.map(({ before, after }) => `  ${place(before)} → ${place(after)}`),
  ].join('\n');
}

function place(region: Box | undefined): string {
  return region ? `${region.x},${region.y} ${region.width}x${region.height}` : 'nothing';
}

function files({ positionals }: Options, count: number, form: string): string[] {
  if (positionals.length === count) return positionals;
  throw usage(form);
}

export function usage(form: string): AfterimageError {
  return new AfterimageError('INVALID_ARGUMENT', `Expected: ${form}; see afterimage --help.`);
}
