// Pillow gives a GIF's transparent pixels the colour of their palette entry; libvips makes them black.
// With the transparency flag of the first frame cleared, both see the same.

const EXTENSION = 0x21;
const GRAPHIC_CONTROL = 0xf9;
const TRANSPARENT = 0x01;

/** Bytes of a colour table announced by a packed field, 0 if there is none. */
function tableBytes(packed: number): number {
  return packed & 0x80 ? 3 << ((packed & 7) + 1) : 0;
}

/** A copy with the flag cleared, or the bytes themselves when the first frame has no transparent colour. */
export function opaqueFirstFrame(bytes: Uint8Array): Uint8Array {
  let at = 13 + tableBytes(bytes[10] ?? 0);
  while (at + 2 < bytes.length && bytes[at] === EXTENSION) {
    const packed = at + 3;
    if (bytes[at + 1] === GRAPHIC_CONTROL && bytes[packed]! & TRANSPARENT) {
      const copy = bytes.slice();
      copy[packed] = bytes[packed]! & ~TRANSPARENT;
      return copy;
    }
    at = afterSubBlocks(bytes, at + 2);
  }
  return bytes;
}

/** Position after a chain of length-prefixed blocks that ends with an empty one. */
function afterSubBlocks(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && bytes[at] !== 0) at += bytes[at]! + 1;
  return at + 1;
}
