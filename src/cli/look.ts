// The commands that answer once: describe, ask, compare. Each is the tool of its name, with a person's arguments.
import { existsSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import type { Comparison } from '../../tools/compare-images.js';
import { AfterimageError } from '../errors.js';
import { LEAST_RATE, MOST_RATE } from '../image/rgb-image.js';
import { DETAILS } from '../prompt/layout.js';
import type { Options } from './options.js';
import { Terminal, type Result } from './terminal.js';
import { usage } from './told.js';

export async function describe(options: Options, signal: AbortSignal): Promise<void> {
  const images = await given(options.positionals);
  if (images.length === 0) throw usage('afterimage describe FILE...');
  const detail = options.choice('detail', DETAILS);
  await Terminal.use(options, signal, { images, model: true }, async (terminal) => {
    const { describeImage } = await import('../../tools/describe-image.js');
    await terminal.each(options.positionals, async (index) => {
      await terminal.show(describeImage, { image: images[index], ...seenBy(options), detail });
    });
  });
}

export async function ask(options: Options, signal: AbortSignal): Promise<void> {
  const { files, question } = parted(options.positionals);
  if (!question || files.length === 0) throw usage('afterimage ask FILE... "QUESTION"');
  const images = await given(files);
  await Terminal.use(options, signal, { images, model: true }, async (terminal) => {
    const { chatWithImages } = await import('../../tools/chat-with-images.js');
    const { page, fps } = seenBy(options);
    const shown = fps === undefined ? { images, page } : { frames: images, fps };
    await terminal.show(chatWithImages, { ...shown, message: question });
  });
}

/** How images are to be seen, as tools take it. */
function seenBy(options: Options): { page: string | undefined; fps: number | undefined } {
  return { page: options.text('page'), fps: options.number('fps', LEAST_RATE, false, MOST_RATE) };
}

/** The question comes last; first only where that one is no file and the last one is, or would be if it were there. */
export function parted(args: string[]): { files: string[]; question: string | undefined } {
  const first = args[0] ?? '';
  const last = args.at(-1) ?? '';
  if (args.length > 1 && isFile(last) && !isFile(first)) return { files: args.slice(1), question: first };
  return { files: args.slice(0, -1), question: args.at(-1) };
}

function isFile(name: string): boolean {
  return (
    ['-', 'latest', 'clipboard'].includes(name) ||
    /^(data|file|https?|afterimage):/i.test(name) ||
    /^\S+\.(png|jpe?g|webp|gif|avif|tiff?|bmp|pdf)(#pages?=\S+)?$/i.test(name) ||
    existsSync(name)
  );
}

/** References as tools take them: - is what comes on standard input, once. */
export async function given(files: string[]): Promise<string[]> {
  if (files.filter((file) => file === '-').length > 1)
    throw new AfterimageError('INVALID_ARGUMENT', 'Standard input can be read once; give - once.');
  if (files.some((file) => file.trim() === ''))
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      'A FILE is empty; give its path, or set the variable that names it.',
    );
  return Promise.all(files.map(async (file) => (file === '-' ? standardInput() : file)));
}

async function standardInput(): Promise<string> {
  const bytes = await buffer(process.stdin);
  if (bytes.length === 0)
    throw new AfterimageError('INVALID_ARGUMENT', 'Nothing came on standard input; pipe an image into it.');
  return `data:application/octet-stream;base64,${bytes.toString('base64')}`;
}

export async function compare(options: Options, signal: AbortSignal): Promise<void> {
  if (options.positionals.length !== 2) throw usage('afterimage compare BEFORE AFTER');
  const images = await given(options.positionals);
  const [image_a, image_b] = images;
  // Pictures that are equal are none of the model's business.
  await Terminal.use(options, signal, { images, model: false }, async (terminal) => {
    const { compareImages } = await import('../../tools/compare-images.js');
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
