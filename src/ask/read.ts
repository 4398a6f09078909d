// How tools have text read: in the time that the call has, in pixels of the original, and as the model is given it.
import { MOST_EXPECTED } from '../engine/engine.js';
import type { AfterimageError } from '../errors.js';
import type { ImageInput } from '../image/rgb-image.js';
import type { Region } from '../image/region.js';
import { countedElements, elementsText, readingText } from '../prompt/layout.js';
import { wordsOf, type Elements } from '../reading/elements.js';
import type { Quad } from '../reading/quad.js';
import { textOf, type Reading } from '../reading/reading.js';
import { loaded, type Call } from './call.js';
import type { HandedOn, Picture, Turn } from './conversations.js';
import { inTime } from './deadline.js';

/** What reading needs of a call; doors that speak no tools have as much. */
export type ReadingCall = Pick<Call, 'engine' | 'reader' | 'elements' | 'signal' | 'deadline' | 'onProgress'>;

/** @returns null when the call's time was over first; what was read until then is kept for the next call */
export function readText(call: ReadingCall, { input }: Picture): Promise<Reading | null> {
  return withinTime(call, (signal) =>
    call.reader.read(input, {
      signal,
      onProgress: (done, total) => call.onProgress({ stage: 'read', done, total }),
    }),
  );
}

/**
 * Pictures with the lines that the model is to be given; without them where the time was over.
 * @param wanted Absent: where the model was trained to answer from them.
 */
export async function withReadings(
  call: ReadingCall,
  pictures: Picture[],
  wanted: boolean | undefined,
): Promise<Picture[]> {
  if (pictures.length === 0 || wanted === false) return pictures;
  const trained = (await loaded(call))?.readsAlong ?? false;
  if (!wanted && !trained) return pictures;
  const read: Picture[] = [];
  for (const picture of pictures) {
    if (picture.input.moment) {
      read.push(picture);
      continue;
    }
    const reading = await readText(call, picture);
    const handed = reading && (await writtenOut(call, picture, reading, trained));
    read.push(handed ? { ...picture, reading: handed } : picture);
  }
  return read;
}

/**
 * Text that an answer about the pictures may repeat, so that it comes sooner, beyond what the model is given of it;
 * undefined where there is none. Without pictures the answer is about those that were shown last.
 * The answer is the same without it, so what hinders the reader is said and does not end the call.
 */
export async function likelyText(
  call: ReadingCall,
  pictures: readonly Picture[],
  earlier: readonly Turn[] = [],
): Promise<string | undefined> {
  const shown = earlier.findLast((turn) => turn.pictures.length > 0)?.pictures ?? [];
  const asked = pictures.length > 0 ? pictures : shown;
  const model = await loaded(call);
  if (!model?.identity) return undefined; // elsewhere guesses are not ours to make
  const texts: string[] = [];
  try {
    for (const picture of asked.filter(({ input, reading }) => !input.moment && !reading)) {
      const reading = await readText(call, picture);
      if (reading) texts.push(textOf(reading));
    }
  } catch (error) {
    if (call.signal.aborted) throw error;
    const { message, code } = error as AfterimageError;
    const said = `The answer comes without guesses from the text of the image, which could not be read. ${message}`;
    process.emitWarning(said, { type: 'AfterimageWarning', code });
  }
  return texts.join('\n').slice(0, MOST_EXPECTED) || undefined;
}

/** The lines as a prompt holds them; null when the time was over before it was known what they are. */
async function writtenOut(
  call: ReadingCall,
  { input }: Picture,
  reading: Reading,
  trained: boolean,
): Promise<HandedOn | null> {
  const { lines } = reading;
  if (!trained || !call.elements) return { written: readingText(lines, input), lines };
  const found = await elementsOf(call, input, reading);
  if (!found) return null;
  const { dark, kind, marks } = found;
  const worded = lines.map(({ text, box }, i) => ({ text, box, mark: wordsOf(marks[i]!) }));
  return {
    written: elementsText(worded, input, dark),
    lines: lines.map(({ text, box }, i) => ({ text, box, mark: marks[i]! })),
    screen: {
      dark,
      counts: countedElements(worded),
      size: { width: input.width, height: input.height },
      ...(kind !== undefined && { kind }),
    },
  };
}

/** What the lines of a reading are; null when the call's time was over first, or nobody here can say. */
export async function elementsOf(
  call: ReadingCall,
  input: ImageInput,
  reading: Reading,
): Promise<Elements | null> {
  const { elements } = call;
  return elements ? withinTime(call, (stop) => elements.of(input, reading, stop)) : null;
}

/** @returns null when the call's time was over first. */
function withinTime<T>(call: ReadingCall, work: (stop: AbortSignal) => Promise<T>): Promise<T | null> {
  return inTime(call, async (stop) => {
    try {
      return await work(stop);
    } catch (error) {
      if (stop.aborted && !call.signal.aborted) return null;
      throw error;
    }
  });
}

/** Of a picture that was a part of its original: the reading as one of the original. */
export function inOriginal(reading: Reading, { region, original }: Picture): Reading {
  if (!region) return reading;
  const { x, y } = region;
  return {
    ...reading,
    ...original,
    lines: reading.lines.map((line) => ({
      ...line,
      box: moved(line.box, x, y),
      ...(line.quad && {
        quad: line.quad.map((corner) => ({ x: corner.x + x, y: corner.y + y })) as unknown as Quad,
      }),
    })),
  };
}

function moved(box: Region, x: number, y: number): Region {
  return { ...box, x: box.x + x, y: box.y + y };
}
