// What a model saw smaller than it is: by how much, and which regions show it in full. Small text is misread otherwise,
// and nothing in the answer says so.
import type { Region, Size } from '../image/region.js';
import type { Picture } from './conversations.js';

/** Below this, text that can be read in the image can be read in what the model sees. */
const NOTEWORTHY = 1.3;
/** More regions than this are not listed. */
const MOST_REGIONS = 8;
/** Part of a band that the next one repeats, so that a line of text at its edge is whole in one of them. */
const OVERLAP = 0.05;

/**
 * @param viewed Sizes in which the model saw the pictures, in their order; fewer where it did not come to them.
 * @param hurried Whether they may be smaller than the model would have it, for speed.
 */
export function shrunkNote(
  pictures: Picture[],
  viewed: readonly Size[],
  hurried = false,
): string | undefined {
  const notes = pictures.flatMap((picture, index) => {
    const seen = viewed[index];
    return seen && picture.listed ? noteOf(picture, seen, hurried) : [];
  });
  return notes.length > 0 ? notes.join(' ') : undefined;
}

function noteOf({ imageId, original, region, input }: Picture, seen: Size, hurried: boolean): string[] {
  // Nothing in a frame is looked at more closely than the timeline allows, and a frame alone is a picture of its own.
  if (input.moment) return [];
  const factor = Math.max(input.width / seen.width, input.height / seen.height);
  if (factor < NOTEWORTHY) return [];
  const parts = bands(region ?? { x: 0, y: 0, ...original }, seen);
  const listed = parts
    .slice(0, MOST_REGIONS)
    .map(({ x, y, width, height }) => `[${x}, ${y}, ${width}, ${height}]`);
  const more = parts.length > MOST_REGIONS ? ` and so on, ${parts.length} in all` : '';
  const closer =
    hurried && input.maxPixels === undefined
      ? ', or at the whole with describe_image and detail full, which takes longer on this machine'
      : '';
  return [
    `${imageId} was shrunk ${factor.toFixed(1)} times (${input.width} × ${input.height} seen as ${seen.width} × ` +
      `${seen.height}), so small text may be misread; for all of it look at these regions one by one: ${listed.join(', ')}${more}${closer}.`,
  ];
}

/** Bands across the longer side, each with no more pixels than the model looked at. */
export function bands({ x, y, width, height }: Region, seen: Size): Region[] {
  const tall = height >= width;
  const length = tall ? height : width;
  const fits = Math.max(1, Math.floor((seen.width * seen.height) / (tall ? width : height)));
  const step = Math.max(1, Math.floor(fits * (1 - OVERLAP)));
  const count = Math.max(1, Math.ceil((length - fits) / step) + 1);
  return Array.from({ length: count }, (_, index) => {
    const from = Math.min(index * step, Math.max(0, length - fits));
    const size = Math.min(fits, length);
    return tall ? { x, y: y + from, width, height: size } : { x: x + from, y, width: size, height };
  });
}
