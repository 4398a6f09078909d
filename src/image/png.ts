// PNG below its pixels: chunks, texts, and image data whose checksums are wrong though nothing of it is missing, which
// Pillow and browsers show. https://www.w3.org/TR/png-3/
import { deflateSync, inflateSync, constants } from 'node:zlib';

const SIGNATURE = 8;
/** Length and type before the data, checksum behind it. */
const AROUND = 12;
const LONGEST_TEXT = 2 ** 20;

export interface PngChunk {
  type: string;
  data: Uint8Array;
}

/** Chunks in their order, as far as they are whole. */
export function* pngChunks(bytes: Uint8Array): Iterable<PngChunk> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = SIGNATURE; at + AROUND <= bytes.length;) {
    const length = view.getUint32(at);
    if (at + AROUND + length > bytes.length) return;
    const type = latin1(bytes.subarray(at + 4, at + 8));
    yield { type, data: bytes.subarray(at + 8, at + 8 + length) };
    if (type === 'IEND') return;
    at += AROUND + length;
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** Texts of tEXt, zTXt and iTXt chunks by keyword; a damaged one is left out. */
export function pngTexts(bytes: Uint8Array, keywords: string[]): Map<string, string> {
  const texts = new Map<string, string>();
  for (const { type, data } of pngChunks(bytes)) {
    if (!/^([tz]EXt|zTXt|iTXt)$/.test(type)) continue;
    const keyword = latin1(data.subarray(0, Math.max(0, data.indexOf(0))));
    if (!keywords.includes(keyword)) continue;
    const text = textOf(type, data.subarray(keyword.length + 1));
    if (text !== undefined) texts.set(keyword, text);
  }
  return texts;
}

function textOf(type: string, body: Uint8Array): string | undefined {
  if (type === 'tEXt') return latin1(body);
  if (type === 'zTXt') return inflated(body.subarray(1));
  const [compressed] = body;
  const language = body.indexOf(0, 2);
  const translated = body.indexOf(0, language + 1);
  if (language < 0 || translated < 0) return undefined;
  const text = body.subarray(translated + 1);
  return compressed ? inflated(text) : latin1(text);
}

function inflated(data: Uint8Array): string | undefined {
  try {
    return inflateSync(data, { maxOutputLength: LONGEST_TEXT }).toString('latin1');
  } catch {
    // Metadata that cannot be read says nothing; the picture is read all the same.
    return undefined;
  }
}

/** The same picture with right checksums, or undefined when image data is missing or not to be read. */
export function pngWithChecksums(bytes: Uint8Array): Uint8Array | undefined {
  const chunks = [...pngChunks(bytes)];
  const header = chunks[0]?.type === 'IHDR' && chunks[0].data.length === 13 ? chunks[0].data : undefined;
  const rows = header && imageRows(chunks, rowBytes(header));
  if (!rows) return undefined;
  const image = { type: 'IDAT', data: deflateSync(rows, { level: 1 }) };
  const first = chunks.findIndex(({ type }) => type === 'IDAT');
  const others = chunks.filter(({ type }) => type !== 'IDAT' && type !== 'IEND');
  const rebuilt = [...others.slice(0, first), image, ...others.slice(first), END];
  return Buffer.concat([bytes.subarray(0, SIGNATURE), ...rebuilt.map(withChecksum)]);
}

const END: PngChunk = { type: 'IEND', data: new Uint8Array(0) };

function imageRows(chunks: PngChunk[], length: number): Uint8Array | undefined {
  const stream = Buffer.concat(chunks.flatMap(({ type, data }) => (type === 'IDAT' ? [data] : [])));
  try {
    // A wrong checksum of zlib's own means other pixels; a missing one, and those of the chunks, mean nothing.
    const rows = inflateSync(stream, {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: length + 2 ** 16,
    });
    return rows.length >= length ? rows.subarray(0, length) : undefined;
  } catch {
    // Damage inside the data: the decoder's own error says so.
    return undefined;
  }
}

/** Samples of a pixel by colour type. */
const SAMPLES: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** [first column, first row, column step, row step] of Adam7. */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** Bytes of all filtered rows that the header announces. */
function rowBytes(header: Uint8Array): number {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const bits = header[8]! * (SAMPLES[header[9]!] ?? 0);
  const bytes = (columns: number, rows: number) =>
    columns > 0 && rows > 0 ? rows * (1 + Math.ceil((columns * bits) / 8)) : 0;
  if (header[12] === 0) return bytes(width, height);
  return PASSES.reduce(
    (sum, [x, y, dx, dy]) => sum + bytes(Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)),
    0,
  );
}

function withChecksum({ type, data }: PngChunk): Buffer {
  const chunk = Buffer.alloc(AROUND + data.length);
  chunk.writeUInt32BE(data.length, 0);
  chunk.write(type, 4, 'latin1');
  chunk.set(data, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length);
  return chunk;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC_TABLE[(value ^ byte) & 255]! ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
