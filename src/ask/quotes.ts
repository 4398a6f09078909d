// A model that answers from read lines quotes them and nothing else: a quotation that was not read is an invention. What a
// quoted line is, is for the element classifier to say, which knows better.
import type { HandedOn } from './conversations.js';

/** A statement about an element: `role "text": "value", states`. */
const STATEMENT = /^([a-z ]+) "([^"]*)"(?:: "([^"]*)")?((?:, [a-z ]+)*)$/;
/** Lines that are no element of their own. */
const NO_ELEMENT = ['plain', 'value'];
type Line = HandedOn['lines'][number];

interface Known extends Line {
  /** Without spaces, in which readers and models differ. */
  bare: string;
}

/**
 * @param lines Those that stand in the prompt.
 * @returns what remains of a statement: undefined where it quotes what was not read or says again what was said.
 */
export function settledBy(lines: readonly Line[]): (statement: string) => string | undefined {
  const known = lines.map((line) => ({ ...line, bare: bare(line.text) }));
  const said = new Set<string>();
  return (statement) => {
    if (!quotesOnly(statement, known)) return undefined;
    const settled = marked(statement, known);
    if (settled === undefined || (settled.includes('"') && said.has(settled))) return undefined;
    said.add(settled);
    return settled;
  };
}

function quotesOnly(statement: string, known: readonly Known[]): boolean {
  return [...statement.matchAll(/"([^"]*)"(?=[ ,:.]|$)/g)].every(([, quoted]) =>
    quoted!.split(' | ').every((piece) => firstOf(bare(piece), known) !== undefined),
  );
}

/** The statement with the role and the states that the classifier gives its line; undefined where that is no element. */
function marked(statement: string, known: readonly Known[]): string | undefined {
  const [, role, text, value] = STATEMENT.exec(statement) ?? [];
  const mark = text === undefined ? undefined : firstOf(bare(text.split(' | ')[0]!), known)?.mark;
  if (mark === undefined) return statement;
  if (NO_ELEMENT.includes(mark.role)) return undefined;
  const holds = mark.role === 'field' && role === 'field' && value !== undefined && isValue(value, known);
  return [`${mark.role} "${text}"${holds ? `: "${value}"` : ''}`, ...mark.states].join(', ');
}

function isValue(value: string, known: readonly Known[]): boolean {
  return firstOf(bare(value), known)?.mark?.role === 'value';
}

/** The line that `piece` is a part of, or the first of several that make it up from beginning to end. */
function firstOf(piece: string, known: readonly Known[]): Known | undefined {
  return (
    known.find((line) => line.bare === piece) ??
    known.find((line, first) => line.bare.includes(piece) || joins(piece, known, first))
  );
}

function joins(piece: string, known: readonly Known[], first: number): boolean {
  let joined = known[first]!.bare;
  for (let next = first + 1; piece.startsWith(joined) && next < known.length; next++) {
    if (joined === piece) return true;
    joined += known[next]!.bare;
  }
  return joined === piece;
}

function bare(text: string): string {
  return text.replace(/\s+/g, '');
}
