// A model that answers from read lines quotes them and nothing else: a quotation that was not read is an invention.

/** @param lines Texts of the lines that stand in the prompt. */
export function quotesOnly(lines: readonly string[]): (statement: string) => boolean {
  const read = lines.map(bare);
  return (statement) =>
    [...statement.matchAll(/"([^"]*)"(?=[ ,:.]|$)/g)].every(([, quoted]) =>
      quoted!.split(' | ').every((piece) => wasRead(bare(piece), read)),
    );
}

/** Part of one line, or several lines that follow each other, from the beginning of the first to the end of the last. */
function wasRead(piece: string, read: readonly string[]): boolean {
  return read.some((line, first) => {
    if (line.includes(piece)) return true;
    let joined = line;
    for (let next = first + 1; piece.startsWith(joined) && next < read.length; next++) {
      if (joined === piece) return true;
      joined += read[next]!;
    }
    return joined === piece;
  });
}

/** Readers and models differ in spaces. */
function bare(text: string): string {
  return text.replace(/\s+/g, '');
}
