// What may hold at one place. Where several schemas hold at once, they are kept as a set; where one of several does, as
// several ways. References are followed.
import { AfterimageError } from '../errors.js';
import { areApart } from './apart.js';
import { malformed, tooLarge, unsupported } from './refusals.js';
import { check, HELD, isSchema, list, type Plain, type Schema, type Way } from './schema.js';

const MOST_WAYS = 256;

/** A schema that is held where it is itself being read. */
class Endless extends AfterimageError {
  constructor() {
    super(
      'SCHEMA_UNSUPPORTED',
      'The schema refers to itself without anything in between; put a property or a list between.',
    );
  }
}

export class Schemas {
  readonly #root: Schema;
  readonly #ways = new Map<Schema, Way[] | 'being read'>();

  constructor(root: Schema) {
    this.#root = root;
  }

  /** What may hold where all of these do; none where nothing can. @throws AfterimageError */
  ways(schemas: readonly Schema[]): Way[] {
    return schemas.reduce<Way[]>((ways, schema) => crossed(ways, this.#waysOf(schema)), [[]]);
  }

  #waysOf(schema: Schema): Way[] {
    if (typeof schema === 'boolean') return schema ? [[]] : [];
    const known = this.#ways.get(schema);
    if (known === 'being read') throw new Endless();
    if (known) return known;
    this.#ways.set(schema, 'being read');
    try {
      const ways = this.#read(schema);
      this.#ways.set(schema, ways);
      return ways;
    } catch (error) {
      this.#ways.delete(schema);
      throw error;
    }
  }

  #read(schema: Plain): Way[] {
    check(schema);
    const held = Object.entries(schema).filter(([key]) => HELD.includes(key));
    const parts: Way[][] = [held.length > 0 ? [[Object.fromEntries(held)]] : [[]]];
    if (schema['$ref'] !== undefined) parts.push(this.#waysOf(this.#resolved(schema['$ref'])));
    for (const one of list(schema, 'allOf')) parts.push(this.#waysOf(one));
    if (schema['anyOf'] !== undefined) parts.push(list(schema, 'anyOf').flatMap((one) => this.#waysOf(one)));
    if (schema['oneOf'] !== undefined) parts.push(this.#oneOf(list(schema, 'oneOf')));
    return parts.reduce(crossed);
  }

  #oneOf(schemas: readonly Schema[]): Way[] {
    const each = schemas.map((one) => this.#waysOf(one));
    const clash = each.some((ways, i) =>
      each.some(
        (other, j) =>
          i !== j && ways.some((a) => other.some((b) => !areApart(a, b, (list) => this.#told(list)))),
      ),
    );
    if (clash) throw unsupported('oneOf', 'its alternatives may hold together, so use anyOf');
    return each.flat();
  }

  /** Undefined while it is being read. */
  #told(schemas: readonly Schema[]): Way[] | undefined {
    try {
      return this.ways(schemas);
    } catch (error) {
      if (error instanceof Endless) return undefined;
      throw error;
    }
  }

  #resolved(reference: unknown): Schema {
    if (typeof reference !== 'string') throw malformed('$ref is no text');
    if (!/^#(\/|$)/.test(reference)) throw unsupported(`$ref "${reference}"`, 'refer to "#/$defs/…"');
    const path = decodeURIComponent(reference.slice(1)).split('/').slice(1);
    let at: unknown = this.#root;
    for (const step of path) {
      const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
      at = typeof at === 'object' && at !== null && Object.hasOwn(at, key) ? (at as Plain)[key] : undefined;
    }
    if (!isSchema(at)) throw malformed(`$ref "${reference}" leads nowhere`);
    return at;
  }
}

function crossed(a: readonly Way[], b: readonly Way[]): Way[] {
  if (a.length * b.length > MOST_WAYS) throw tooLarge();
  return a.flatMap((left) => b.map((right) => [...new Set([...left, ...right])]));
}
