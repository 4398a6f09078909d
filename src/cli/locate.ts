// afterimage locate: where something is in a picture, and the picture with the places numbered.
import type { Place } from '../ask/locate.js';
import { given } from './look.js';
import { place, writePicture } from './ocr.js';
import type { Options } from './options.js';
import { Terminal, type Result } from './terminal.js';
import { usage } from './told.js';

export async function locate(options: Options, signal: AbortSignal): Promise<void> {
  const [file, what, ...more] = options.positionals;
  if (file === undefined || !what?.trim() || more.length > 0) throw usage('afterimage locate FILE "WHAT"');
  const drawing = options.text('annotate');
  const images = await given([file]);
  // Most often what was read is enough, and a model that is not asked is not loaded.
  await Terminal.use(options, signal, { images, model: false }, async (terminal) => {
    const { describeImage } = await import('../../tools/describe-image.js');
    const args = {
      image: images[0],
      page: options.text('page'),
      locate: what,
      annotate: drawing !== undefined,
    };
    const result = await terminal.show(describeImage, args, rows);
    const { annotated } = result as Result & { annotated?: string };
    const png = annotated === undefined ? undefined : terminal.call.drawings.named(annotated);
    if (png && drawing !== undefined) await writePicture(drawing, png);
  });
}

/** A row for each place: the point to click, the box, what stands there and who found it. */
function rows({ answer, next, places }: Result): string {
  const found = (places ?? []) as Place[];
  if (found.length === 0) return answer || (next ?? '');
  return found.map(row).join('\n');
}

function row({ center, x, y, width, height, text, element, source }: Place): string {
  const box =
    x === undefined || y === undefined || width === undefined || height === undefined
      ? '-'
      : place({ x, y, width, height });
  const name = [text, element && `(${element})`].filter(Boolean).join(' ');
  return [`${center.x},${center.y}`, box, name, source].join('\t');
}
