// compare_images: what changed from one image to another. Pixels decide that and where; the model says what it means.
import * as z from 'zod';
import { diffImages, MAX_IGNORE_REGIONS, type DiffRegion, type ImageDiff } from '../src/image/diff.js';
import { withMargin, type Region, type Size } from '../src/image/region.js';
import { compareQuestion } from '../src/prompt/layout.js';
import { NOTHING_DONE } from '../src/engine/engine.js';
import { ask, type Call } from '../src/ask/call.js';
import { measuredChanges, withFacts } from '../src/ask/changes.js';
import type { Picture } from '../src/ask/conversations.js';
import * as fields from '../src/ask/fields.js';
import { middleOf } from '../src/reading/reading.js';
import { stateChanges, type StateChange } from '../src/reading/state-changes.js';
import { textChanges, type TextChange } from '../src/reading/text-changes.js';
import { lookAtOne, part } from '../src/ask/look.js';
import { elementsOf, readText, withReadings } from '../src/ask/read.js';
import { seenImages, toFields } from '../src/ask/reply.js';
import { defineTool, LOOKS_ONLY } from '../src/ask/tool.js';

/** Changed regions that the model gets as crops, each before and after. */
const MOST_CROPS = 3;
/** A region that covers more than this share of its image shows the model nothing new as a crop. */
const LARGE_SHARE = 0.4;
/** Pixels around a crop, and the least side: a change needs its surroundings to be understood. */
const CROP_MARGIN = 24;
const CROP_SIDE = 160;
/** Side of the inline difference picture: small enough for every client's result limit. */
const INLINE_SIDE = 512;

const input = z.strictObject({
  image_a: fields.image.describe('Before; path, URL or image_id.'),
  image_b: fields.image.describe('After.'),
  question: fields.question('What to say about the change; without it the differences are named.').optional(),
  ignore_regions: z
    .array(fields.area)
    .max(MAX_IGNORE_REGIONS)
    .optional()
    .describe('Parts of image_b to leave out, such as a clock.'),
  threshold: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe('Color distance that counts as a change; 0: any.'),
  inline_difference: z.boolean().default(false).describe('Also return the difference picture itself.'),
  max_tokens: fields.maxTokens().default(384),
});

const output = z.looseObject({
  ...fields.replyFields,
  identical: z.boolean(),
  size_changed: z.boolean(),
  alignment: z.enum(['same', 'scaled', 'top-left']),
  changed_pixels: z.int(),
  changed_share: z.number(),
  regions: z.array(z.looseObject({ changed_pixels: z.int() })),
  text_changes: z
    .array(z.looseObject({ old: z.string(), new: z.string() }))
    .optional()
    .describe('Text that changed, was added (old empty) or removed (new empty); moved text is not listed.'),
  state_changes: z
    .array(z.looseObject({ role: z.string(), text: z.string(), now: z.string() }))
    .optional()
    .describe('Elements of one text whose state changed.'),
  difference: z.string().optional().describe('Resource: image_b in grey, changes in red.'),
});

/** All that a comparison returns; places are in pixels of image_a (before) and of image_b (after). */
export type Comparison = fields.ReplyFields &
  ReturnType<typeof measured> &
  ReadChanges & { difference?: string };

/** Without the model; nothing where the time was over before both were read. */
interface ReadChanges {
  text_changes?: TextChange[];
  state_changes?: StateChange[];
}

export const compareImages = defineTool({
  name: 'compare_images',
  title: 'Compare two images',
  description: `Find what changed between two images, such as screenshots before and after a change. Size, changed share, changed regions and changed text are exact; then the model says what is different.
For what one image shows use describe_image, for images that are not two states of one thing chat_with_images.`,
  annotations: LOOKS_ONLY,
  input,
  output,
  async run({ image_a, image_b, question, ignore_regions, threshold, inline_difference, max_tokens }, call) {
    const before = await lookAtOne(call, { image: image_a });
    const after = await lookAtOne(call, { image: image_b });
    const diff = await diffImages(before.input, after.input, {
      threshold,
      ignoreRegions: ignore_regions,
      signal: call.signal,
    });
    if (diff.changedPixels === 0)
      return {
        structured: {
          ...same(diff, [before, after], ignore_regions),
          ...measured(diff),
          text_changes: [],
          state_changes: [],
        },
      };
    const read = await readChanges(call, before, after, diff, ignore_regions);
    const uri = call.drawings.put(await diff.picture(), 'diff');
    const references = [
      { uri, name: 'difference.png', description: 'Changed pixels in red', mimeType: 'image/png' },
    ];
    const inline = inline_difference
      ? [{ mimeType: 'image/png', data: await diff.picture(INLINE_SIDE) }]
      : [];
    const whole = await withReadings(call, [before, after], undefined);
    // A model that answers from read lines knows pairs of whole pictures, and reads no better in a crop.
    const readsAlong = whole.some(({ reading }) => reading !== undefined);
    // To what was measured and read the bundled model has nothing true to add, so it is not asked unless somebody asks.
    if (readsAlong && !question && read.text_changes) {
      const answer = measuredChanges(diff, read.text_changes, read.state_changes);
      const structured = unasked(answer, [before, after]);
      return {
        structured: { ...structured, ...measured(diff), ...read, difference: uri },
        references,
        inline,
      };
    }
    const crops = readsAlong ? [] : diff.regions.filter(worthCropping(diff)).slice(0, MOST_CROPS);
    const asked = compareQuestion(crops.length > 0 ? 'crops' : 'whole');
    const pairs = await Promise.all(crops.map((region) => cropPair(call, before, after, region)));
    const reply = await ask(call, call.conversations.start(), {
      turn: {
        pictures: [...whole, ...pairs.flat()],
        question: question ? `${asked}\n${question}` : asked,
      },
      maxTokens: max_tokens,
      states: true,
    });
    const answer = withFacts(measuredChanges(diff, read.text_changes, read.state_changes), reply.text);
    return {
      structured: { ...toFields(reply), answer, ...measured(diff), ...read, difference: uri },
      references,
      inline,
    };
  },
});

async function readChanges(
  call: Call,
  before: Picture,
  after: Picture,
  { alignment, regions }: ImageDiff,
  ignored: Region[] = [],
): Promise<ReadChanges> {
  const old = await readText(call, before);
  const now = old && (await readText(call, after));
  if (!now) return {};
  const scale = alignment === 'scaled' ? after.original.width / before.original.width : 1;
  const counts = (change: { before?: Region; after?: Region }) => {
    const { x, y } = middleOf((change.after ?? change.before)!);
    return !ignored.some(
      (area) => x >= area.x && y >= area.y && x < area.x + area.width && y < area.y + area.height,
    );
  };
  const text_changes = textChanges(old, now, scale).filter(counts);
  const was = await elementsOf(call, before.input, old);
  const is = was && (await elementsOf(call, after.input, now));
  if (!is) return { text_changes };
  const places = regions.flatMap(({ after: place }) => (place ? [place] : []));
  const state_changes = stateChanges(
    { reading: old, elements: was },
    { reading: now, elements: is },
    places,
    scale,
  );
  return { text_changes, state_changes: state_changes.filter(counts) };
}

function worthCropping({ before, after }: ImageDiff): (region: DiffRegion) => boolean {
  const small = (region: Region | undefined, image: Size) =>
    region !== undefined && region.width * region.height <= LARGE_SHARE * image.width * image.height;
  return (region) => small(region.before, before) && small(region.after, after);
}

async function cropPair(
  { images }: Call,
  before: Picture,
  after: Picture,
  region: DiffRegion,
): Promise<Picture[]> {
  const around = (picture: Picture, changed: Region | undefined) =>
    changed ? [part(picture, withMargin(changed, CROP_MARGIN, CROP_SIDE, picture.original), images)] : [];
  return Promise.all([...around(before, region.before), ...around(after, region.after)]);
}

function measured(diff: ImageDiff) {
  return {
    identical: diff.identical,
    size_changed: diff.before.width !== diff.after.width || diff.before.height !== diff.after.height,
    alignment: diff.alignment,
    changed_pixels: diff.changedPixels,
    changed_share: diff.changedShare,
    regions: diff.regions.map(({ before, after, changedPixels }) => ({
      ...(before && { before: plain(before) }),
      ...(after && { after: plain(after) }),
      changed_pixels: changedPixels,
    })),
  };
}

function plain({ x, y, width, height }: Region): Region {
  return { x, y, width, height };
}

/** The answer where no pixel changed: there is nothing to ask the model about. */
function same(
  { identical, alignment }: ImageDiff,
  pictures: Picture[],
  ignored: Region[] = [],
): fields.ReplyFields {
  const where = ignored.length > 0 ? 'outside the ignored regions' : 'in the whole image';
  const how = alignment === 'scaled' ? ' once both have the same size' : '';
  return unasked(
    identical
      ? `The images are identical: every pixel ${where} is equal.`
      : `No pixel ${where} differs by more than the threshold${how}.`,
    pictures,
  );
}

function unasked(answer: string, pictures: Picture[]): fields.ReplyFields {
  return {
    answer,
    images: seenImages(pictures, []),
    cache: NOTHING_DONE,
    stop_reason: 'end',
    truncated: false,
    model: 'none',
  };
}
