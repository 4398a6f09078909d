// Bytes → RGB pixels, as the reference (Pillow) sees them: orientation applied wherever it is written, embedded colour
// profiles ignored, first frame only. What is transparent is laid on a background (alpha.ts). sharp decodes all but BMP;
// nothing here resizes. One difference stays: libheif repeats the chroma samples of 4:2:0 AVIF where Pillow interpolates, so
// edges between strong colours differ (test/image/many-pictures.test.ts).
import { AfterimageError } from '../errors.js';
import { composed, withoutAlpha, type Colour, type RgbaImage } from './alpha.js';
import { bmpHeader, decodeBmp } from './bmp.js';
import type { RgbImage } from './rgb-image.js';
import { formatOf, type ImageFormat } from './format.js';
import { firstFrame, type GifFrame } from './gif.js';
import { checkBytes, DEFAULT_LIMITS, type AlphaHandling, type ImageLimits } from './limits.js';
import { hiddenOrientation, orientationOfTiff, swapsSides, turned, type Orientation } from './orientation.js';
import { pngWithChecksums } from './png.js';
import { sharp, type Metadata, type Sharp } from './sharp.js';

/** What the file's header says; no pixel has been decoded. */
export interface ImageHeader {
  format: ImageFormat;
  /** Upright. */
  width: number;
  height: number;
  layout: PixelLayout;
  /** Still to be applied: the decoder has applied what it found itself. */
  orientation: Orientation;
}

/** How samples become RGB: by libvips, by clipping 16-bit grey, or by Pillow's CMYK formula, of 16 bits the high ones. */
type PixelLayout = 'rgb' | 'clipped-grey' | 'cmyk' | 'deep-cmyk';

/** A decode that takes longer than this is not an image anyone wants to look at. */
const DECODE_SECONDS = 30;

// Only these loaders exist for us, whatever the bytes pretend to be.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Heif', 'Tiff'].map((name) => `VipsForeignLoad${name}Buffer`),
});
// The cache would keep decoded pixels of user images alive.
sharp.cache(false);

/**
 * @param name How messages call the image.
 * @throws AfterimageError IMAGE_UNREADABLE, IMAGE_UNSUPPORTED, IMAGE_TOO_LARGE.
 */
export async function readHeader(
  bytes: Uint8Array,
  name: string,
  limits = DEFAULT_LIMITS,
): Promise<ImageHeader> {
  checkBytes(bytes.length, name, limits);
  const format = formatOf(bytes, name);
  const header = await orUnreadable(name, () => headerOf(format, bytes));
  const { width, height } = header;
  if (width * height > limits.maxPixels) throw tooManyPixels(name, width, height, limits);
  return header;
}

async function headerOf(format: ImageFormat, bytes: Uint8Array): Promise<ImageHeader> {
  if (format === 'bmp') return { ...plain(format), ...sizeOf(bmpHeader(bytes)) };
  const gif = format === 'gif' ? firstFrame(bytes) : undefined;
  if (gif) return { ...plain(format), ...gif.canvas };
  const metadata = await sharp(readable(format, bytes), { limitInputPixels: false }).metadata();
  const said = format === 'tiff' ? statedInTiff(bytes, metadata) : metadata.orientation;
  const orientation = said ? 1 : hiddenOrientation(bytes, format === 'png', metadata.xmp);
  const { width, height } = metadata.autoOrient;
  const size = swapsSides(orientation) ? { width: height, height: width } : { width, height };
  return { format, ...size, layout: layoutOf(format, metadata, bytes), orientation };
}

/** libvips calls every TIFF upright that does not say how it lies; then its XMP packet may. */
function statedInTiff(bytes: Uint8Array, { orientation }: Metadata): number | undefined {
  return orientation === 1 ? orientationOfTiff(bytes) : orientation;
}

const plain = (format: ImageFormat) => ({ format, layout: 'rgb', orientation: 1 }) as const;

const sizeOf = ({ width, height }: { width: number; height: number }) => ({ width, height });

/** A sequence begins with a still picture of its own; libvips asks for a still picture's brand. */
function readable(format: ImageFormat, bytes: Uint8Array): Uint8Array {
  const BRAND = 8;
  if (format !== 'avif' || Buffer.from(bytes.subarray(BRAND, BRAND + 4)).toString('latin1') === 'avif')
    return bytes;
  const still = Buffer.from(bytes);
  still.write('avif', BRAND, 'latin1');
  return still;
}

async function orUnreadable<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw cause instanceof AfterimageError ? cause : unreadable(name, cause);
  }
}

function layoutOf(format: ImageFormat, metadata: Metadata, bytes: Uint8Array): PixelLayout {
  if (metadata.space === 'cmyk') return metadata.depth === 'ushort' ? 'deep-cmyk' : 'cmyk';
  // Pillow keeps 16-bit grey in its own depth and clips it to 0…255 on conversion, tRNS or not. Grey with alpha and
  // colour are cut to their high bytes, which is what libvips does too.
  const deepGrey = metadata.space === 'grey16' && !hasAlphaSamples(format, metadata, bytes);
  return deepGrey ? 'clipped-grey' : 'rgb';
}

/** Alpha stored beside each grey sample, unlike a PNG's tRNS colour key. */
function hasAlphaSamples(format: ImageFormat, metadata: Metadata, bytes: Uint8Array): boolean {
  const PNG_COLOUR_TYPE = 25;
  if (format === 'png') return bytes[PNG_COLOUR_TYPE] === 4;
  return metadata.channels !== 1;
}

/** @throws AfterimageError as readHeader, and IMAGE_UNREADABLE for truncated or corrupt data. */
export async function decode(
  bytes: Uint8Array,
  name: string,
  limits = DEFAULT_LIMITS,
  alpha: AlphaHandling = 'composed',
): Promise<RgbImage> {
  const header = await readHeader(bytes, name, limits);
  const { image, own } = await orUnreadable(name, () => pixelsOf(header, bytes, limits));
  const isRgb = image.data.length === image.width * image.height * 3;
  const rgb = isRgb ? image : alpha === 'dropped' ? withoutAlpha(image) : composed(image, own);
  return turned(rgb, header.orientation);
}

interface Decoded {
  /** RGB or, where the file has alpha, RGBA. */
  image: RgbImage | RgbaImage;
  /** The file's own colour of what is transparent. */
  own?: Colour;
}

async function pixelsOf(header: ImageHeader, bytes: Uint8Array, limits: ImageLimits): Promise<Decoded> {
  if (header.format === 'bmp') return { image: decodeBmp(bytes) };
  const gif = header.format === 'gif' ? firstFrame(bytes) : undefined;
  if (gif) return onCanvas(gif, await DECODERS.rgb(open(gif.bytes, limits)));
  const file = readable(header.format, bytes);
  const decoder = DECODERS[header.layout];
  try {
    return { image: await decoder(open(file, limits)) };
  } catch (error) {
    const mended = header.format === 'png' ? pngWithChecksums(file) : undefined;
    if (!mended) throw error;
    return { image: await decoder(open(mended, limits)) };
  }
}

function open(bytes: Uint8Array, limits: ImageLimits): Sharp {
  return sharp(bytes, {
    failOn: 'error',
    limitInputPixels: limits.maxPixels,
    sequentialRead: true,
    page: 0,
    ignoreIcc: true,
    autoOrient: true,
  }).timeout({ seconds: DECODE_SECONDS });
}

/** The frame where it belongs; around it and where it is transparent, the colour that Pillow gives that. */
function onCanvas(gif: GifFrame, frame: RgbImage | RgbaImage): Decoded {
  const { width, height } = gif.canvas;
  const channels = frame.data.length / (frame.width * frame.height);
  const data = new Uint8Array(width * height * 4);
  const outside = [...gif.colour, gif.transparent ? 0 : 255];
  for (let at = 0; at < data.length; at += 4) data.set(outside, at);
  for (let y = 0, from = 0; y < frame.height; y++) {
    let to = ((gif.y + y) * width + gif.x) * 4;
    for (let x = 0; x < frame.width; x++, from += channels, to += 4) {
      if (channels === 4 && frame.data[from + 3] === 0) continue;
      data.set(frame.data.subarray(from, from + 3), to);
      data[to + 3] = 255;
    }
  }
  return { image: { width, height, data }, own: gif.colour };
}

const DECODERS: Record<PixelLayout, (image: Sharp) => Promise<RgbImage | RgbaImage>> = {
  async rgb(image) {
    const raw = image.toColourspace('srgb').raw();
    const { data, info } = await raw.toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    return { width, height, data: channels > 4 ? firstThree(data, channels) : asBytes(data) };
  },
  async 'clipped-grey'(image) {
    const raw = image.removeAlpha().toColourspace('grey16').raw({ depth: 'ushort' });
    const { data, info } = await raw.toBuffer({ resolveWithObject: true });
    const samples = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
    return { width: info.width, height: info.height, data: clippedGreyToRgb(samples) };
  },
  async cmyk(image) {
    const raw = image.pipelineColourspace('cmyk').toColourspace('cmyk').raw();
    const { data, info } = await raw.toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: cmykToRgb(data, info.channels) };
  },
  async 'deep-cmyk'(image) {
    const raw = image.pipelineColourspace('cmyk').toColourspace('cmyk').raw({ depth: 'ushort' });
    const { data, info } = await raw.toBuffer({ resolveWithObject: true });
    const samples = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
    const high = Uint8Array.from(samples, (sample) => sample >> 8);
    return { width: info.width, height: info.height, data: cmykToRgb(high, info.channels) };
  },
};

/** A TIFF may have any number of samples beside its colours. */
function firstThree(samples: Uint8Array, channels: number): Uint8Array {
  const rgb = new Uint8Array((samples.length / channels) * 3);
  for (let from = 0, to = 0; to < rgb.length; from += channels, to += 3)
    rgb.set(samples.subarray(from, from + 3), to);
  return rgb;
}

function asBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function clippedGreyToRgb(samples: Uint16Array): Uint8Array {
  const rgb = new Uint8Array(samples.length * 3);
  for (let i = 0; i < samples.length; i++) rgb.fill(Math.min(samples[i]!, 255), i * 3, i * 3 + 3);
  return rgb;
}

/** R = (255 - K) - C·(255 - K)/255, rounded. https://github.com/python-pillow/Pillow/blob/main/src/libImaging/Convert.c */
function cmykToRgb(samples: Uint8Array, channels: number): Uint8Array {
  const pixels = samples.length / channels;
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const white = 255 - samples[i * channels + 3]!;
    for (let c = 0; c < 3; c++) {
      const product = samples[i * channels + c]! * white + 128;
      rgb[i * 3 + c] = white - (((product >> 8) + product) >> 8);
    }
  }
  return rgb;
}

/** What decoders say of a whole file in a form that they do not know. */
const UNKNOWN_FORM =
  /not configured|not supported|(is|are) not known|bad labq|samples out of range|unsupported (compression|photometric|colou?r)/i;

function unreadable(name: string, cause: unknown): AfterimageError {
  const reason = (cause instanceof Error ? cause.message : String(cause))
    .replace(/\s+/g, ' ')
    .trim()
    // libvips says the same twice and more.
    .replace(/(.{8,}?)(?: \1)+/g, '$1')
    .slice(0, 160);
  if (UNKNOWN_FORM.test(reason)) {
    return new AfterimageError(
      'IMAGE_UNSUPPORTED',
      `${name} is stored in a way that is not read here (${reason}); convert it to PNG first.`,
      { cause },
    );
  }
  return new AfterimageError(
    'IMAGE_UNREADABLE',
    `${name} is damaged or incomplete (${reason}); save the image again and retry.`,
    { cause },
  );
}

function tooManyPixels(name: string, width: number, height: number, limits: ImageLimits): AfterimageError {
  const limit = `${(limits.maxPixels / 1e6).toFixed(limits.maxPixels < 1e6 ? 3 : 0)} megapixels`;
  return new AfterimageError(
    'IMAGE_TOO_LARGE',
    `${name} is ${width} × ${height}, more than the limit of ${limit}; scale it down or raise --max-megapixels.`,
  );
}
