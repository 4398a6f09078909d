// Strings of JSON, by what they may say.
import { spellings, type Characters, ANY } from './characters.js';
import { allBut, both, lengths, type Dfa } from './dfa.js';
import { unsupported } from './refusals.js';
import type { TableBuilder } from './tables.js';

export interface StringLimits {
  least: number;
  most: number;
  /** Each must hold. */
  sets: Dfa[];
}

export class Strings {
  readonly #builder: TableBuilder;
  #character: number | undefined;
  #any: number | undefined;

  constructor(builder: TableBuilder) {
    this.#builder = builder;
  }

  /** @returns the state before the string's first quotation mark. @throws AfterimageError SCHEMA_UNSUPPORTED */
  add({ least, most, sets }: StringLimits): number {
    const limited = least > 0 || most < Infinity;
    if (sets.length > 0) {
      const all = limited ? [...sets, lengths(least, most)] : sets;
      return this.#regular(all.reduce(both));
    }
    return limited ? this.#counted(least, most) : (this.#any ??= this.#regular(lengths(0, Infinity)));
  }

  /** A name of a property that is none of these. */
  nameBut(names: readonly string[]): number {
    return names.length === 0
      ? this.add({ least: 0, most: Infinity, sets: [] })
      : this.#regular(allBut(names));
  }

  #regular({ accepts, edges }: Dfa): number {
    const builder = this.#builder;
    const begin = builder.state();
    const states = edges.map(() => builder.state());
    const end = builder.end();
    builder.text(begin, '"', states[0]);
    const tails = new Map<string, number>();
    edges.forEach((list, from) => {
      if (accepts[from]) builder.text(states[from]!, '"', end);
      for (const { low, high, to } of list) this.#read(states[from]!, [[low, high]], states[to]!, tails);
    });
    return begin;
  }

  #counted(least: number, most: number): number {
    const builder = this.#builder;
    const [begin, closing] = [builder.state(), builder.state()];
    builder.text(closing, '"', builder.end());
    const character = this.#anyCharacter();
    const text =
      most === 0 ? closing : builder.repeat({ first: character, more: character }, least, most, closing);
    builder.text(begin, '"', text);
    return begin;
  }

  #anyCharacter(): number {
    if (this.#character !== undefined) return this.#character;
    this.#character = this.#builder.state();
    this.#read(this.#character, ANY, this.#builder.end(), new Map());
    return this.#character;
  }

  /** @param tails States that lack only some last bytes, by these and where they lead. */
  #read(from: number, set: Characters, to: number, tails: Map<string, number>): void {
    for (const bytes of set.flatMap(spellings)) {
      let next = to;
      for (let i = bytes.length - 1; i > 0; i--) {
        const [low, high] = bytes[i]!;
        const key = `${low} ${high} ${next}`;
        let tail = tails.get(key);
        if (tail === undefined) {
          tail = this.#builder.state();
          this.#builder.range(tail, low, high, next);
          tails.set(key, tail);
        }
        next = tail;
      }
      this.#builder.range(from, bytes[0]![0], bytes[0]![1], next);
    }
  }
}

const DAY = String.raw`(?:\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))|(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)`;
const TIME = String.raw`(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)`;
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?';

/** A part of what each format allows: everything that is written so is of the format. */
const FORMATS: Record<string, string> = {
  date: `^${DAY}$`,
  time: `^${TIME}$`,
  'date-time': `^${DAY}T${TIME}$`,
  uuid: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
  ipv4: String.raw`^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$`,
  email: String.raw`^[A-Za-z0-9_+-]{1,30}(?:\.[A-Za-z0-9_+-]{1,20}){0,2}@(?:${LABEL}\.){1,3}[a-z]{2,12}$`,
  hostname: String.raw`^(?:${LABEL}\.){0,3}[a-z][a-z0-9]{0,12}$`,
  uri: String.raw`^https?://(?:${LABEL}\.){1,3}[a-z]{2,12}(?:/[A-Za-z0-9._~-]*)*(?:\?[A-Za-z0-9._~=&-]*)?$`,
};

/** @throws AfterimageError SCHEMA_UNSUPPORTED */
export function patternOfFormat(format: unknown): string {
  if (typeof format === 'string' && Object.hasOwn(FORMATS, format)) return FORMATS[format]!;
  throw unsupported(`format ${JSON.stringify(format)}`, `use one of ${Object.keys(FORMATS).join(', ')}`);
}
