// How names are spelled: what a reference is wrapped in, and when two names are the same to whoever typed one of them.
// macOS writes U+202F before PM and U+00A0 before v, keeps accents apart from their letters, and nobody can type that.

const WRAPPED = [/^"(.*)"$/s, /^'(.*)'$/s, /^`(.*)`$/s, /^<(.*)>$/s, /^“(.*)”$/s, /^‘(.*)’$/s, /^«(.*)»$/s];

/** More pairs of quotes than anyone puts around a name. */
const MOST_LAYERS = 16;

/** Without blanks, quotes, angle brackets and the @ of a mention around it. */
export function unwrapped(reference: string, layers = MOST_LAYERS): string {
  const text = reference.trim();
  const inside = WRAPPED.map((pair) => pair.exec(text)?.[1]).find((found) => found !== undefined);
  const bare = inside ?? (text.startsWith('@') ? text.slice(1) : text);
  return bare === reference || layers === 0 ? bare : unwrapped(bare, layers - 1);
}

/** Equal for names that look alike: composed letters, plain spaces and quotes, nothing invisible, no blanks around. */
export function spelled(name: string): string {
  return name
    .normalize('NFC')
    .replace(/\p{Cf}/gu, '')
    .replace(/[\p{Zs}\s]/gu, ' ')
    .replace(/[‘’ʼ]/g, "'")
    .replace(/[“”]/g, '"')
    .trim();
}

/** What a path may have been before a shell or a URL escaped it; the path itself comes first. */
export function readings(path: string, backslashEscapes: boolean): string[] {
  const read = [path];
  if (backslashEscapes && path.includes('\\')) read.push(path.replace(/\\(.)/gs, '$1'));
  if (/%[0-9a-f]{2}/i.test(path)) {
    try {
      read.push(decodeURIComponent(path));
    } catch {
      // A % that escapes nothing: the path is what it says.
    }
  }
  return [...new Set(read)].filter((reading) => !reading.includes('\0'));
}
