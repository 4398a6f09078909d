// compare_images: what changed from one image to another. Pixels decide that and where; the model says what it means.
import { z } from 'zod';
import { diffImages, MAX_IGNORE_REGIONS, type DiffRegion, type ImageDiff } from '../src/image/diff.js';
import { withMargin, type Region, type Size } from '../src/image/region.js';
import { compareQuestion } from '../src/prompt/layout.js';
import { NOTHING_DONE } from '../src/engine/engine.js';
import { ask, type Call } from '../src/ask/call.js';
import type { Picture } from '../src/ask/conversations.js';
import { DIFF_URI } from '../src/ask/differences.js';
import * as fields from '../src/ask/fields.js';
import { lookAt, part } from '../src/ask/look.js';
import { seenImages, toFields, type ReplyFields } from '../src/ask/reply.js';
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
  image_a: fields.image.describe('The image before. Path, URL or image_id as in the other tools.'),
  image_b: fields.image.describe('The image after.'),
  question: fields
    .question('What you want to know about the change. Without it the differences are named.')
    .optional(),
  ignore_regions: z
    .array(fields.area)
    .max(MAX_IGNORE_REGIONS)
    .optional()
    .describe('Parts of image_b that are not compared, such as a clock, in its pixels.'),
  threshold: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe('Color distance from which a pixel counts as changed; 0 counts any.'),
  inline_difference: z
    .boolean()
    .default(false)
    .describe(`Put the difference picture into the result, at most ${INLINE_SIDE} pixels wide or high.`),
  max_tokens: fields.maxTokens().default(384),
});

const place = z.object({ x: z.int(), y: z.int(), width: z.int(), height: z.int() });

const output = z.object({
  ...fields.replyFields,
  identical: z.boolean().describe('Every compared pixel is equal.'),
  size_changed: z.boolean(),
  alignment: z.enum(['same', 'scaled', 'top-left']).describe('How the images were laid over each other.'),
  changed_pixels: z.int().describe('Anti-aliasing is not counted. Where it is 0 the model is not asked.'),
  changed_share: z.number().describe('Share of the compared pixels, 0 to 1.'),
  regions: z
    .array(z.object({ before: place.optional(), after: place.optional(), changed_pixels: z.int() }))
    .describe('Where it changed, largest first, in pixels of image_a (before) and image_b (after).'),
  difference: z.string().optional().describe('Resource with image_b in grey and the changed pixels in red.'),
});

export type Comparison = z.infer<typeof output>;

export const compareImages = defineTool({
  name: 'compare_images',
  title: 'Compare two images',
  description: `Find what changed between two images, such as screenshots before and after a change. Pixels are compared first: size, changed share and changed regions are exact. Then the model sees both images and the changed parts and says what is different. Images without a changed pixel are reported at once.
For what a single image shows use describe_image; to relate images that are not two states of one thing use chat_with_images.`,
  annotations: LOOKS_ONLY,
  input,
  output,
  async run({ image_a, image_b, question, ignore_regions, threshold, inline_difference, max_tokens }, call) {
    const [before, after] = (await lookAt(call, [{ image: image_a }, { image: image_b }])) as [
      Picture,
      Picture,
    ];
    const diff = await diffImages(before.input, after.input, {
      threshold,
      ignoreRegions: ignore_regions,
      signal: call.signal,
    });
    if (diff.changedPixels === 0)
      return { structured: { ...same(diff, [before, after], ignore_regions), ...measured(diff) } };
    const uri = DIFF_URI + call.differences.put(await diff.picture());
    const crops = diff.regions.filter(worthCropping(diff)).slice(0, MOST_CROPS);
    const asked = compareQuestion(crops.length > 0 ? 'crops' : 'whole');
    const pairs = await Promise.all(crops.map((region) => cropPair(call, before, after, region)));
    const reply = await ask(call, call.conversations.start(), {
      turn: {
        pictures: [before, after, ...pairs.flat()],
        question: question ? `${asked}\n${question}` : asked,
      },
      maxTokens: max_tokens,
    });
    return {
      structured: { ...toFields(reply), ...measured(diff), difference: uri },
      references: [
        { uri, name: 'difference.png', description: 'Changed pixels in red', mimeType: 'image/png' },
      ],
      inline: inline_difference ? [{ mimeType: 'image/png', data: await diff.picture(INLINE_SIDE) }] : [],
    };
  },
});

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
function same({ identical, alignment }: ImageDiff, pictures: Picture[], ignored: Region[] = []): ReplyFields {
  const where = ignored.length > 0 ? 'outside the ignored regions' : 'in the whole image';
  const how = alignment === 'scaled' ? ' once both have the same size' : '';
  return {
    answer: identical
      ? `The images are identical: every pixel ${where} is equal.`
      : `No pixel ${where} differs by more than the threshold${how}.`,
    images: seenImages(pictures, []),
    cache: NOTHING_DONE,
    stop_reason: 'end',
    truncated: false,
    model: 'none',
    note: fields.QUOTED,
  };
}
