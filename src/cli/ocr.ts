// afterimage ocr: the tool of that name over several files, with what people want at a terminal: boxes beside the text,
// the places of a text, a picture with the boxes drawn in.
import { writeFile } from 'node:fs/promises';
import { AfterimageError } from '../errors.js';
import { loadImage } from '../image/load.js';
import { cornersOf, type Corners } from '../image/outline.js';
import { outlined } from '../image/pixel-jobs.js';
import { given } from './look.js';
import type { Options } from './options.js';
import { Terminal, type Result } from './terminal.js';
import { usage } from './told.js';

const OF_THE_MODEL = ['max-tokens', 'temperature', 'seed', 'thinking', 'thinking-tokens'] as const;

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

interface Line extends Box {
  text: string;
  corners?: [number, number][];
}

interface Match extends Line {
  score: number;
  center: { x: number; y: number };
}

export async function ocr(options: Options, signal: AbortSignal): Promise<void> {
  const files = options.positionals;
  if (files.length === 0) throw usage('afterimage ocr FILE...');
  const drawing = options.text('annotate');
  if (drawing !== undefined && files.length > 1)
    throw new AfterimageError('INVALID_ARGUMENT', '--annotate draws into one picture; give one FILE.');
  const find = options.text('find');
  if (find !== undefined && options.flag('lines'))
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      '--find lists matches and --lines all lines; leave one out.',
    );
  const method = options.choice('method', ['reader', 'model'] as const);
  const stray = method === 'model' ? [] : OF_THE_MODEL.filter((name) => options.given(name));
  if (stray.length > 0)
    process.stderr.write(`The text reader has no --${stray.join(', --')}; --method model has.\n`);
  const boxed = options.flag('lines') || drawing !== undefined;
  const args = {
    page: options.text('page'),
    ...(method && { method }),
    ...(find !== undefined ? { find } : boxed && { format: 'lines' }),
  };
  const images = await given(files);
  const ahead = { images, model: method === 'model', reading: method !== 'model' && args.page === undefined };
  await Terminal.use(options, signal, ahead, async (terminal) => {
    const { ocr: ocrTool } = await import('../../tools/ocr.js');
    await terminal.each(files, async (index) => {
      const result = await terminal.show(ocrTool, { image: images[index], ...args }, textOf(options));
      if (drawing !== undefined) await draw(terminal, result, drawing);
    });
  });
}

/** What is shown besides the answer; undefined: the answer as it comes. */
function textOf(options: Options): ((result: Result) => string) | undefined {
  if (options.given('find')) return matches;
  return options.flag('lines') ? boxedLines : undefined;
}

/** A row for each line, its box first; what the model wrote instead where it wrote no lines. */
function boxedLines({ answer, lines }: Result): string {
  const read = (lines ?? []) as Line[];
  return read.length === 0 ? answer : read.map((line) => `${place(line)}\t${line.text}`).join('\n');
}

/** A row for each match: the point to click, the box, the text. */
function matches({ answer, matches: found }: Result): string {
  const hits = (found ?? []) as Match[];
  if (hits.length === 0) return answer;
  return hits.map((hit) => `${hit.center.x},${hit.center.y}\t${place(hit)}\t${hit.text}`).join('\n');
}

export function place({ x, y, width, height }: Box): string {
  return `${x},${y} ${width}x${height}`;
}

async function draw(terminal: Terminal, result: Result, file: string): Promise<void> {
  const image = await (await loadImage(result.images[0]!.image_id, terminal.call.images)).pixels();
  const lines = (result['matches'] ?? result['lines'] ?? []) as Line[];
  await writePicture(file, await outlined({ image, areas: lines.map(areaOf), numbered: false }));
}

/** @throws AfterimageError IO_FAILED */
export async function writePicture(file: string, png: Uint8Array): Promise<void> {
  try {
    await writeFile(file, png);
  } catch (cause) {
    throw new AfterimageError('IO_FAILED', `The picture "${file}" cannot be written; choose another place.`, {
      cause,
    });
  }
}

function areaOf({ corners, ...box }: Line): Corners {
  return corners ? corners.map(([x, y]) => ({ x, y })) : cornersOf(box);
}
