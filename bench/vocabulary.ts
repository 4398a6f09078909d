// A made-up vocabulary for benchmarks of answers by a schema.

/** Every byte, then pieces of words as vocabularies have them, from a fixed seed. */
export function vocabulary(size: number): { bytes: Uint8Array; ends: Int32Array } {
  let state = 1;
  const below = (count: number): number => (state = (state * 48271) % 2147483647) % count;
  const letters = 'etaoinshrdlucmfwypvbgkjqxzETAOINSH0123456789 ,.:"{}[]_-\u00e9\u4e2d';
  const pieces = Array.from({ length: size }, (_, id) =>
    id < 256
      ? Buffer.of(id)
      : Buffer.from(
          Array.from(
            { length: 1 + below(4) + below(4) + below(4) },
            () => letters[below(letters.length)],
          ).join(''),
        ),
  );
  let end = 0;
  const ends = Int32Array.from(pieces, (piece) => (end += piece.length));
  return { bytes: Buffer.concat(pieces), ends };
}
