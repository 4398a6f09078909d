// What each read line of a picture is: a button that is disabled, a checkbox that is not checked, the name of a field.
import { AfterimageError } from '../errors.js';
import type { ElementNetwork } from '../engine/text-networks.js';
import { ByteLru } from '../image/byte-lru.js';
import type { ImageInput } from '../image/rgb-image.js';
import { workers } from '../workers/pool.js';
import { toShared } from '../workers/shared-bytes.js';
import type { Beside } from './option-marks.js';
import type { Reading } from './reading.js';

const viewsOf = workers.job<typeof import('./element-views.js').elementViews>(
  import.meta.url,
  './element-views',
  'elementViews',
);

const besideTexts = workers.job<typeof import('./option-marks.js').besideTexts>(
  import.meta.url,
  './option-marks',
  'besideTexts',
);

const CACHE_BYTES = 4 * 2 ** 20;
const UNMARKED = 'plain';
/** The states that a role can have; of other roles, those of `plain`. Two of them exclude each other. */
const STATES: Record<string, string[]> = {
  checkbox: ['checked', 'not checked', 'disabled'],
  radio: ['checked', 'not checked', 'disabled'],
  switch: ['on', 'off', 'disabled'],
  plain: ['selected', 'focused', 'disabled', 'wrong'],
};
const EITHER = [
  ['checked', 'not checked'],
  ['on', 'off'],
];

/** Roles of what is chosen or switched on by a mark beside its text. */
const OPTIONS = ['checkbox', 'radio', 'switch'];
/** A line with a mark before it is an option where that is by so many logits less likely at most. */
const NEARLY = 2;
/** The margin of what was measured, in logits. */
const MEASURED = 8;

/** A log's level that tells of a failure, and what compilers and shells write before one. */
const FAILURE = /\b(?:ERROR|FATAL|CRITICAL|SEVERE)\b|\b(?:error|fatal):/;

/** Cells below the head of a table, at least. */
const LEAST_CELLS = 2;

/** What a line is. */
export interface Mark {
  role: string;
  states: string[];
  /** Of a button that has one. */
  colour?: string;
  /** By how many logits the role is likelier than any other. */
  lead: number;
  /** Of each state that the role can have, by how many logits it is likelier than its opposite. */
  margins: Record<string, number>;
}

export interface Elements {
  /** Whether most of the picture is dark. */
  dark: boolean;
  /** Of screen, in words; absent where no text was read. */
  kind?: string;
  /** What each line is, in the order of the reading's lines. */
  marks: Mark[];
}

/** As a prompt holds it: "button, disabled, blue". */
export function wordsOf({ role, states, colour }: Mark): string {
  return [role, ...states, ...(colour === undefined ? [] : [colour])].join(', ');
}

/** Says what lines are; what it has said of a picture it knows. Nothing is loaded before the first one. */
export class ElementReader {
  readonly #open: () => Promise<ElementNetwork>;
  readonly #known = new ByteLru<Elements>(CACHE_BYTES);
  #network: Promise<ElementNetwork> | undefined;
  #closed = false;

  constructor(open: () => Promise<ElementNetwork>) {
    this.#open = open;
  }

  /** Loads the network ahead of the first picture. @throws AfterimageError CLOSED, and what opening it throws */
  async begin(): Promise<void> {
    await this.#ready();
  }

  /** @throws AfterimageError CLOSED, and what decoding and the network throw. */
  async of(image: ImageInput, { lines }: Reading, signal?: AbortSignal): Promise<Elements> {
    const known = this.#known.get(image.pixelHash);
    if (known) return known;
    const network = await this.#ready();
    const pixels = await image.pixels();
    const picture = { ...pixels, data: toShared(pixels.data) };
    const seen = lines.map(({ text, box }) => ({ text, box }));
    const { views, features, dark } = await viewsOf({ picture, lines: seen }, { signal });
    const { lines: logits, kinds } = await network.classify(views, features, signal);
    const kind = network.kinds[best(kinds, 0, kinds.length)];
    const options = logits.flatMap((of, i) => (mayBeOption(of, network.roles) ? [i] : []));
    const boxes = options.map((i) => lines[i]!.box);
    const beside = boxes.length > 0 ? await besideTexts({ picture, boxes }, { signal }) : [];
    const marked = logits.map((of, i) => markOf(of, network, beside[options.indexOf(i)]));
    // The head of a table stands over rows.
    const table = marked.filter(({ role }) => role === 'row').length >= LEAST_CELLS;
    const marks = marked.map((mark, i) => {
      if (mark.role === 'header' && !table) return markOf(without(logits[i]!, network, 'header'), network);
      return mark.role === 'line' && FAILURE.test(lines[i]!.text)
        ? markOf(outweighed(logits[i]!, network, 'error'), network)
        : mark;
    });
    const elements = { dark, marks, ...(logits.length > 0 && kind !== undefined && { kind }) };
    this.#known.set(image.pixelHash, elements, 100 + 40 * lines.length);
    return elements;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await (await this.#network?.catch(() => undefined))?.close();
  }

  /** A failed opening is tried again by the next picture. */
  #ready(): Promise<ElementNetwork> {
    if (this.#closed) throw new AfterimageError('CLOSED', 'The element classifier is closed.');
    this.#network ??= this.#open().catch((error: unknown) => {
      this.#network = undefined;
      throw error;
    });
    return this.#network;
  }
}

function without(said: Float32Array, { roles }: ElementNetwork, role: string): Float32Array {
  const logits = said.slice();
  logits[roles.indexOf(role)] = -Infinity;
  return logits;
}

function outweighed(said: Float32Array, { roles }: ElementNetwork, role: string): Float32Array {
  const logits = said.slice();
  logits[roles.indexOf(role)] = Math.max(...logits.subarray(0, roles.length)) + MEASURED;
  return logits;
}

function mayBeOption(logits: Float32Array, roles: string[]): boolean {
  const most = Math.max(...logits.subarray(0, roles.length));
  return OPTIONS.some((option) => logits[roles.indexOf(option)]! > most - NEARLY);
}

/**
 * The likeliest role, its states that are likelier than not, and of a button its colour.
 * @param beside Of a line that may be an option what stands beside it: it outweighs the classifier.
 */
function markOf(said: Float32Array, network: ElementNetwork, beside?: Beside): Mark {
  const { roles, states, colours } = network;
  const logits = beside === undefined ? said : measured(said, network, beside);
  const at = best(logits, 0, roles.length);
  const role = roles[at]!;
  const others = logits.subarray(0, roles.length).filter((_, other) => other !== at);
  const from = roles.length;
  const logit = (state: string): number => logits[from + states.indexOf(state)]!;
  const allowed = states.filter((state) => (STATES[role] ?? STATES[UNMARKED]!).includes(state));
  const margins = Object.fromEntries(allowed.map((state) => [state, margin(state, logit)]));
  const colour = role === 'button' ? best(logits, from + states.length, colours.length) : 0;
  return {
    role,
    states: allowed.filter((state) => margins[state]! > 0),
    ...(colour > 0 && { colour: colours[colour]! }),
    lead: logits[at]! - Math.max(...others),
    margins,
  };
}

/** A box is a checkbox, a ring a radio button, checked where something is in it; where nothing stands beside a text, it is no option. */
function measured(said: Float32Array, { roles, states }: ElementNetwork, beside: Beside): Float32Array {
  const logits = said.slice();
  if (beside === 'something') return logits;
  const most = Math.max(...logits.subarray(0, roles.length));
  if (beside === 'nothing') {
    for (const option of OPTIONS) logits[roles.indexOf(option)] = most - MEASURED;
    return logits;
  }
  logits[roles.indexOf(beside.round ? 'radio' : 'checkbox')] = most + MEASURED;
  logits[roles.length + states.indexOf('checked')] = beside.filled ? MEASURED / 2 : -MEASURED / 2;
  logits[roles.length + states.indexOf('not checked')] = beside.filled ? -MEASURED / 2 : MEASURED / 2;
  return logits;
}

/** Of two that exclude each other by how much it is the likelier one, else how much likelier than not it is. */
function margin(state: string, logit: (state: string) => number): number {
  const other = EITHER.find((pair) => pair.includes(state))?.find((name) => name !== state);
  return other === undefined ? logit(state) : logit(state) - logit(other);
}

function best(logits: Float32Array, from: number, count: number): number {
  let found = 0;
  for (let i = 1; i < count; i++) if (logits[from + i]! > logits[from + found]!) found = i;
  return found;
}
