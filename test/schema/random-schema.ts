// Schemas of every supported kind, from a seed: each has a value that holds by it.

export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** Mulberry32. */
  below(count: number): number {
    let t = (this.#state += 0x6d2b79f5);
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % count;
  }

  maybe(): boolean {
    return this.below(2) === 0;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

type Json = Record<string, unknown>;

const NAMES = ['a', 'ab', 'open', 'items', 'Größe', 'with "quotes"', 'back\\slash', 'née', '雪', 'b/c'];
const PATTERNS = [
  ...[
    '^[a-z]{1,6}$',
    '^\\d{3}-\\d{2}$',
    'x',
    '^(yes|no|maybe)$',
    '^[^"]{2,5}$',
    '^\\S+\\s\\S+$',
    '[0-9]$',
    '^a?b*c+$',
  ],
  ...['^.{3}$', '^[\\u00e0-\\u00ff]{2}$', '^\\p{Lu}\\w{0,3}$', '^$|^z'],
];
const FORMATS = ['date', 'time', 'date-time', 'uuid', 'ipv4', 'email', 'hostname', 'uri'];
const VALUES = ['yes', 'no', 'a "b"', 12, -0.5, true, null, [1, 'x'], { a: 1, b: [] }, 'ünï', ''];

export function randomSchema(seed: number): Json {
  const dice = new Dice(seed);
  const schema = value(dice, 3);
  if (dice.below(6) > 0) return schema;
  const node = {
    type: 'object',
    properties: { v: schema, next: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/node' }] } },
  };
  return {
    $ref: '#/$defs/node',
    $defs: { node: { ...node, required: ['v', 'next'], additionalProperties: false } },
  };
}

function value(dice: Dice, depth: number): Json {
  const kinds = [
    text,
    text,
    number,
    number,
    constant,
    ...(depth > 0 ? [object, object, array, array, either, both] : []),
  ];
  return dice.of(kinds)(dice, depth - 1);
}

function text(dice: Dice): Json {
  const kind = dice.below(5);
  if (kind === 0) return { type: 'string' };
  if (kind === 1) return { type: 'string', pattern: dice.of(PATTERNS) };
  if (kind === 2) return { type: 'string', format: dice.of(FORMATS) };
  const minLength = dice.below(6);
  return {
    type: 'string',
    ...(dice.maybe() && { minLength }),
    ...(dice.maybe() && { maxLength: minLength + dice.below(9) }),
  };
}

function number(dice: Dice): Json {
  const type = dice.of(['number', 'integer']);
  const low = (dice.below(4001) - 2000) / (type === 'integer' ? 1 : dice.of([1, 8, 10, 1000, 3]));
  const wide = dice.of([1, 2, 17, 5000, 1e9]);
  return {
    type,
    ...(dice.maybe() && { [dice.of(['minimum', 'exclusiveMinimum'])]: low }),
    ...(dice.maybe() && { [dice.of(['maximum', 'exclusiveMaximum'])]: low + wide + 1 }),
    ...(type === 'integer' && wide > 20 && dice.maybe() && { multipleOf: dice.of([2, 3, 10, 16]) }),
  };
}

function constant(dice: Dice): Json {
  if (dice.below(4) === 0) return { type: dice.of(['boolean', 'null', ['boolean', 'null']]) };
  if (dice.maybe()) return { const: dice.of(VALUES) };
  return { enum: VALUES.filter((_, i) => i === 0 || dice.maybe()) };
}

function object(dice: Dice, depth: number): Json {
  const names = NAMES.filter(() => dice.below(3) === 0);
  const required = names.filter(() => dice.maybe());
  const open = dice.below(4);
  return {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, value(dice, depth)])),
    ...(required.length > 0 && { required }),
    ...(open === 0 && { additionalProperties: false }),
    ...(open === 1 && { additionalProperties: value(dice, 0) }),
    ...(open === 1 && dice.maybe() && { maxProperties: names.length + dice.below(3) }),
    ...(dice.maybe() && names.length > 0 && { minProperties: 1 + dice.below(names.length) }),
  };
}

function array(dice: Dice, depth: number): Json {
  const minItems = dice.below(4);
  const prefix = dice.below(3) === 0 ? [value(dice, depth), value(dice, 0)] : undefined;
  return {
    type: 'array',
    items: value(dice, depth),
    ...(prefix && { prefixItems: prefix }),
    ...(dice.maybe() && { minItems }),
    ...(dice.maybe() && { maxItems: minItems + dice.below(4) }),
  };
}

function either(dice: Dice, depth: number): Json {
  if (dice.maybe()) return { anyOf: [value(dice, depth), value(dice, depth)] };
  const one = (kind: string): Json => ({
    type: 'object',
    properties: { kind: { const: kind }, v: value(dice, depth) },
    required: ['kind', 'v'],
  });
  return { oneOf: [one('circle'), one('square'), { type: 'null' }] };
}

function both(dice: Dice, depth: number): Json {
  return {
    allOf: [
      { type: 'object', properties: { a: value(dice, depth) }, required: ['a'] },
      { properties: { b: value(dice, depth), a: {} } },
    ],
  };
}
