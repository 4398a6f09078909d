// How names are spelled: what a reference is wrapped in, and when two names are the same to whoever typed one of them.
// macOS writes U+202F before PM and U+00A0 before v, keeps accents apart from their letters, and nobody can type that.

const WRAPPED = [
  /^"(.*)"$/s,
  /^'(.*)'$/s,
  /^`(.*)`$/s,
  /^<(.*)>$/s,
  /^“(.*)”$/s,
  /^‘(.*)’$/s,
  /^«(.*)»$/s,
  /^‹(.*)›$/s,
  /^„(.*)[“”]$/s,
  /^「(.*)」$/s,
  /^『(.*)』$/s,
  /^\\"(.*)\\"$/s,
  // Markdown and HTML; brackets around what is no plain name.
  /^!?\[[^\]\n]*\]\(([^\n]*)\)$/,
  /^img\b[^>\n]*\bsrc=["']([^"'\n]*)["'][^>\n]*$/i,
  /^\(([/~][^\n]*|[a-z][a-z0-9+.-]*:[^\n]*)\)$/i,
  /^\[([/~][^\n]*|[a-z][a-z0-9+.-]*:[^\n]*)\]$/i,
  /^\{([/~][^\n]*|[a-z][a-z0-9+.-]*:[^\n]*)\}$/i,
  // "path: /a.png", "image=/a.png", "#file:/a.png", "@/a.png"
  /^(?:path|image|file|screenshot|picture)(?:: |=)([/~"'`<].*|file:.*)$/is,
  /^(?:path|image|screenshot|picture):([/~"'`<].*|file:.*)$/is,
  /^#(file:.*)$/is,
  // A quote without its other half.
  /^["'`]([/~][^"'`]*)$/s,
  /^@(.*)$/s,
];

/** More pairs of quotes than anyone puts around a name. */
const MOST_LAYERS = 16;

/** Without blanks, invisible signs, quotes, brackets, links and the @ of a mention around it. */
export function unwrapped(reference: string, layers = MOST_LAYERS): string {
  const text = reference
    .trim()
    .replace(/^[\p{Cf}\s]+/u, '')
    .replace(/[\p{Cf}\s]{1,64}$/u, '');
  const inside = WRAPPED.map((pair) => pair.exec(text)?.[1]).find((found) => found !== undefined);
  const bare = inside ?? text;
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

/** Equal for names that differ in what URLs and people change as well: case, and + for a blank. */
export function looselySpelled(name: string): string {
  return spelled(name).toLowerCase().replaceAll('+', ' ');
}

/** Where a backslash separates no folders. */
const BACKSLASHES: ((path: string) => string)[] = [
  (path) => path.replace(/\\(.)/gs, '$1'),
  (path) => path.replaceAll('\\', '/'),
  (path) => path.replace(/\\u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
  (path) => path.replace(/(?:\\[nrt])+$/, ''),
];
const ANYWHERE: ((path: string) => string)[] = [
  unescaped,
  (path) => path.replaceAll('&amp;', '&'),
  // A quote without its other half, what ends a sentence, the number of a line.
  (path) => path.replace(/^["'`]/, '').replace(/(?::\d+|["'`.,;:!?)\]}>])$/, ''),
];

/** What a path may have been before a shell, a URL or a text changed it; the path itself comes first. */
export function readings(path: string, backslashEscapes: boolean): string[] {
  const undone = [...(backslashEscapes ? BACKSLASHES : []), ...ANYWHERE].map((undo) => undo(path));
  return [...new Set([path, ...undone])].filter((reading) => !reading.includes('\0'));
}

function unescaped(path: string): string {
  if (!/%[0-9a-f]{2}/i.test(path)) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    // A % that escapes nothing: the path is what it says.
    return path;
  }
}
