// Where something is: by the text that was read, else by a model that was trained to point. Neither: nothing is made up.
import { AfterimageError } from '../errors.js';
import { NOTHING_DONE, type ModelInfo } from '../engine/engine.js';
import { loadImage } from '../image/load.js';
import { cornersOf, type Corners } from '../image/outline.js';
import { outlined } from '../image/pixel-jobs.js';
import type { Region } from '../image/region.js';
import { locateQuestion } from '../prompt/layout.js';
import { centerOf, parsePlaces } from '../prompt/places.js';
import type { Reading } from '../reading/reading.js';
import { ask, loaded, type Call } from './call.js';
import type { Conversation, Picture } from './conversations.js';
import { describedBy, type Description } from './described.js';
import type { ReplyFields } from './fields.js';
import { foundText, whatItIs, type Found, type FoundText } from './found-text.js';
import { quoted } from './quoted.js';
import { elementsOf, inOriginal, readText, withReadings } from './read.js';
import { seenImages, toFields } from './reply.js';
import type { ToolResult } from './tool.js';

/** In pixels of the original. Of what a model only pointed at there is no box. */
export interface Place extends Partial<Region> {
  center: { x: number; y: number };
  source: 'reader' | 'model';
  text?: string;
  /** What it is and its colour, where that was asked for. */
  element?: string;
}

export interface LocateRequest {
  what: string;
  picture: Picture;
  /** Where a model is asked, if one has to be; absent: in a new one. */
  conversation: Conversation | undefined;
  /** Whether the conversation is about the picture already. */
  shown: boolean;
  /** Also give the model what was read. */
  reading: boolean | undefined;
  maxTokens: number;
}

type Located = ReplyFields & { places: Place[] };

/** @throws AfterimageError what reading and asking throw */
export async function locate(call: Call, request: LocateRequest): Promise<Located> {
  const { picture, what } = request;
  const reading = await readText(call, picture);
  if (!reading) return { ...unasked(picture, ''), places: [], ...CUT };
  const description = describedBy(what);
  const found = await inText(call, picture, reading, description);
  const places = found.places.map(byReader);
  const sure = places.length > 0 && !(description.more && places.length > 1);
  const model = sure ? null : await loaded(call);
  if (!sure && !model) return { ...unasked(picture, ''), places: [], ...CUT };
  if (model && pointing(model)) return byModel(call, request, { model, boxes: model.boxes, places, found });
  const answer = places.length > 0 ? listed(places) : notFound(what, found, model);
  return { ...unasked(picture, answer), places };
}

const CUT = {
  stop_reason: 'deadline',
  truncated: true,
  next: 'The time limit was reached. Call describe_image with the same locate again: what was read and seen is kept.',
} as const;

/** The first reading of the description that is there. */
async function inText(
  call: Call,
  picture: Picture,
  part: Reading,
  { readings }: Description,
): Promise<Found> {
  const reading = inOriginal(part, picture);
  let otherwise: FoundText | undefined;
  for (const wanted of readings) {
    const narrows = wanted.roles.length > 0 || wanted.colour !== undefined;
    const elements = narrows ? await elementsOf(call, picture.input, part) : null;
    const found = foundText(reading, wanted, elements ?? undefined);
    if (found.places.length > 0) return found;
    otherwise ??= found.otherwise;
  }
  return { places: [], ...(otherwise && { otherwise }) };
}

function byReader(found: FoundText): Place {
  const { text, box } = found;
  const element = whatItIs(found);
  return { text, ...(element !== undefined && { element }), center: centerOf(box), ...box, source: 'reader' };
}

type Boxes = NonNullable<ModelInfo['boxes']>;

/** The small models of ours have a family that points, and were not trained to. */
function pointing(model: ModelInfo): model is ModelInfo & { boxes: Boxes } {
  return model.boxes !== null && !model.bundled && !model.readsAlong;
}

interface Pointing {
  model: ModelInfo;
  boxes: Boxes;
  /** Of the text; which one is meant, the model is to say. */
  places: Place[];
  found: Found;
}

async function byModel(call: Call, request: LocateRequest, given: Pointing): Promise<Located> {
  const { picture, what, conversation, shown, reading, maxTokens } = request;
  const { model, boxes, places, found } = given;
  const pictures = await withReadings(call, shown ? [] : [picture], reading);
  const question = locateQuestion(what, boxes.scale);
  // What it writes is for the parser alone.
  const asked = { ...call, onText: undefined };
  const reply = await ask(asked, conversation ?? call.conversations.start(), {
    turn: { pictures, question },
    maxTokens,
  });
  const fields = toFields(reply);
  const viewed = reply.viewed.at(-1);
  const saw = viewed && { scale: boxes.scale, viewed, original: picture.original, shown: picture.region };
  const pointed = (saw ? parsePlaces(reply.text, saw) : []).map(({ center, box }): Place => ({
    center,
    ...box,
    source: 'model',
  }));
  const meant = chosen(places, pointed);
  if (meant.length === 0 && fields.truncated) return { ...fields, answer: '', places: [], ...CUT };
  const answer = meant.length > 0 ? listed(meant) : notFound(what, found, model);
  const { next: _, ...rest } = fields;
  return { ...rest, truncated: false, answer, places: meant };
}

/** Of texts that read alike, those that the model points at: the reader's boxes are the exact ones. */
function chosen(read: Place[], pointed: Place[]): Place[] {
  const same = read.filter((one) =>
    pointed.some((other) => isIn(one.center, other) || isIn(other.center, one)),
  );
  if (same.length > 0) return same;
  return pointed.length > 0 ? pointed : read;
}

function isIn({ x, y }: Place['center'], { x: left, y: top, width, height }: Partial<Region>): boolean {
  if (left === undefined || top === undefined || width === undefined || height === undefined) return false;
  return x >= left && x < left + width && y >= top && y < top + height;
}

function unasked(picture: Picture, answer: string): ReplyFields {
  return {
    answer,
    images: seenImages([picture], []),
    cache: NOTHING_DONE,
    stop_reason: 'end',
    truncated: false,
    model: 'none',
  };
}

/** Numbered as in the picture that `annotated` draws. */
function listed(places: Place[]): string {
  return places
    .map(({ text, element, center }, at) => {
      const name = text === undefined ? '' : `${quoted(text)} `;
      const is = element === undefined ? '' : ` (${element})`;
      return `${at + 1}. ${name}at ${center.x},${center.y}${is}`;
    })
    .join('\n');
}

const LONGEST_QUOTE = 120;

function notFound(what: string, { otherwise }: Found, model: ModelInfo | null): string {
  const named = quoted(what.length > LONGEST_QUOTE ? `${what.slice(0, LONGEST_QUOTE)}…` : what);
  if (otherwise) {
    const { center } = byReader(otherwise);
    return `${named} is not in the image: ${quoted(otherwise.text)} at ${center.x},${center.y} is ${whatItIs(otherwise) ?? 'something else'}.`;
  }
  if (model && pointing(model)) return `${named} is not in the image, as far as its text and the model tell.`;
  return `${named} was not found: no text in the image reads so, and this model cannot point at what is no text. Name the text that stands there, or ask a model that locates things, such as Qwen2.5-VL or Qwen3-VL.`;
}

/** Half the side of the square that stands for a point. */
const POINT_RADIUS = 8;
/** Side of the inline picture: small enough for every client's result limit. */
const INLINE_SIDE = 512;

/** The picture with the places numbered, by reference and, where it is wanted, small and inline. */
export async function annotated(
  call: Call,
  { imageId }: Picture,
  places: Place[],
  inline: boolean,
): Promise<Pick<ToolResult, 'references' | 'inline'> & { uri: string }> {
  const image = await (await loadImage(imageId, call.images)).pixels();
  const areas = places.map(areaOf);
  const uri = call.drawings.put(await outlined({ image, areas, numbered: true }), 'places');
  const small = inline && (await outlined({ image, areas, numbered: true, maxSide: INLINE_SIDE }));
  return {
    uri,
    references: [{ uri, name: 'places.png', description: 'The places, numbered', mimeType: 'image/png' }],
    ...(small && { inline: [{ mimeType: 'image/png', data: small }] }),
  };
}

function areaOf({ center, x, y, width, height }: Place): Corners {
  if (x !== undefined && y !== undefined && width !== undefined && height !== undefined)
    return cornersOf({ x, y, width, height });
  const side = 2 * POINT_RADIUS;
  return cornersOf({ x: center.x - POINT_RADIUS, y: center.y - POINT_RADIUS, width: side, height: side });
}

/** @throws AfterimageError INVALID_ARGUMENT for what asks something else, or has nothing to draw. */
export function checkLocate(given: {
  locate?: string;
  question?: string;
  choices?: unknown;
  schema?: unknown;
  annotate?: boolean;
  inline_annotation?: boolean;
}): void {
  const { locate: what, annotate, inline_annotation } = given;
  if (what === undefined) {
    if (!annotate && !inline_annotation) return;
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      'annotate draws the places that locate finds; say what to locate, or leave annotate out.',
    );
  }
  const other = (['question', 'choices', 'schema'] as const).find((name) => given[name] !== undefined);
  if (other === undefined) return;
  throw new AfterimageError(
    'INVALID_ARGUMENT',
    `locate asks where something is; ask the ${other} in a call of its own, or leave locate out.`,
  );
}
