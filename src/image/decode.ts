// Bytes → RGB pixels, as the reference (Pillow) sees them: EXIF orientation applied, alpha dropped and not composited,
// embedded colour profiles ignored, first frame only. sharp decodes; nothing here resizes.
import sharp, { type Metadata, type Sharp } from 'sharp';
import { AfterimageError } from '../errors.js';
import type { RgbImage } from './rgb-image.js';
import { formatOf, type ImageFormat } from './format.js';
import { opaqueFirstFrame } from './gif.js';

export interface ImageLimits {
  /** Size of the encoded file. */
  maxBytes: number;
  /** width × height after decoding. */
  maxPixels: number;
}

export const DEFAULT_LIMITS: ImageLimits = { maxBytes: 20 * 1024 * 1024, maxPixels: 100_000_000 };

/** What the file's header says; no pixel has been decoded. */
export interface ImageHeader {
  format: ImageFormat;
  /** After EXIF orientation. */
  width: number;
  height: number;
  layout: PixelLayout;
}

/** How samples become RGB: by libvips, by clipping 16-bit grey, or by Pillow's CMYK formula. */
type PixelLayout = 'rgb' | 'clipped-grey' | 'cmyk';

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
  const metadata = await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch((cause) => {
      throw unreadable(name, cause);
    });
  const { width, height } = metadata.autoOrient;
  if (width * height > limits.maxPixels) throw tooManyPixels(name, width, height, limits);
  return { format, width, height, layout: layoutOf(format, metadata, bytes) };
}

export function checkBytes(size: number, name: string, limits: ImageLimits): void {
  if (size <= limits.maxBytes) return;
  throw new AfterimageError(
    'IMAGE_TOO_LARGE',
    `${name} has ${megabytes(size)}, more than the limit of ${megabytes(limits.maxBytes)}; ` +
      'save it smaller or raise --max-bytes.',
  );
}

function layoutOf(format: ImageFormat, metadata: Metadata, bytes: Uint8Array): PixelLayout {
  if (metadata.space === 'cmyk') return 'cmyk';
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
export async function decode(bytes: Uint8Array, name: string, limits = DEFAULT_LIMITS): Promise<RgbImage> {
  const header = await readHeader(bytes, name, limits);
  const image = sharp(header.format === 'gif' ? opaqueFirstFrame(bytes) : bytes, {
    failOn: 'error',
    limitInputPixels: limits.maxPixels,
    sequentialRead: true,
    page: 0,
    ignoreIcc: true,
    autoOrient: true,
  }).timeout({ seconds: DECODE_SECONDS });
  try {
    return await DECODERS[header.layout](image);
  } catch (cause) {
    throw unreadable(name, cause);
  }
}

const DECODERS: Record<PixelLayout, (image: Sharp) => Promise<RgbImage>> = {
  async rgb(image) {
    const raw = image.removeAlpha().toColourspace('srgb').raw();
    const { data, info } = await raw.toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: asBytes(data) };
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
};

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

function unreadable(name: string, cause: unknown): AfterimageError {
  const reason = (cause instanceof Error ? cause.message : String(cause))
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 160);
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

function megabytes(bytes: number): string {
  return bytes < 1e5 ? `${bytes} bytes` : `${(bytes / (1024 * 1024)).toFixed(1)} MB`;
}
