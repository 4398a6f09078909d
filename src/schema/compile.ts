// A JSON Schema → the grammar of the answers that hold by it: JSON on one line, a blank or none behind commas and colons,
// properties in the order of the schema, every string in the one spelling of JSON.stringify, numbers without an exponent.
import { arrayLimits, numberLimits, objectLimits, stringLimits, typesOf, valuesOf } from './held.js';
import { holds } from './holds.js';
import { addNumber, type NumberLimits } from './numbers.js';
import { unsupported } from './refusals.js';
import { readSchema, type Schema, type Type, type Way } from './schema.js';
import { Strings } from './strings.js';
import { TableBuilder, type GrammarTables } from './tables.js';
import { Schemas } from './ways.js';

/**
 * @param given An object, or the text of one.
 * @throws AfterimageError INVALID_ARGUMENT, SCHEMA_UNSUPPORTED
 */
export function compileSchema(given: unknown): GrammarTables {
  return new Compiler(readSchema(given)).run();
}

class Compiler {
  readonly #root: Schema;
  readonly #schemas: Schemas;
  readonly #builder = new TableBuilder();
  readonly #strings = new Strings(this.#builder);
  /** Names of schemas, and where a value begins that holds by a set of them. */
  readonly #names = new Map<unknown, number>();
  readonly #values = new Map<string, number>();
  /** By what they keep to: where a number begins. */
  readonly #numbers = new Map<string, number>();

  constructor(root: Schema) {
    this.#root = root;
    this.#schemas = new Schemas(root);
  }

  run(): GrammarTables {
    const builder = this.#builder;
    const [start, value] = [builder.state(), builder.state()];
    // Some tokenizers put a blank before the first word of an answer.
    builder.text(start, ' ', value);
    builder.jump(start, value);
    builder.call(value, this.#value([this.#root]), builder.end());
    return builder.tables(start);
  }

  /** Where a value begins for which all of these hold. */
  #value(schemas: readonly Schema[]): number {
    return this.#once('value', schemas, (start) => {
      for (const way of this.#schemas.ways(schemas)) this.#builder.jump(start, this.#ofWay(way));
    });
  }

  #ofWay(way: Way): number {
    return this.#once('way', way, (start) => {
      const values = valuesOf(way);
      if (values) return this.#listed(start, way, values);
      for (const type of typesOf(way)) this.#builder.jump(start, this.#ofType(type, way));
    });
  }

  #ofType(type: Type, way: Way): number {
    switch (type) {
      case 'null':
        return this.#literals(['null']);
      case 'boolean':
        return this.#literals(['true', 'false']);
      case 'integer':
      case 'number':
        return this.#number(numberLimits(way));
      case 'string':
        return this.#strings.add(stringLimits(way));
      case 'array':
        return this.#array(way);
      case 'object':
        return this.#object(way);
    }
  }

  #number(limits: NumberLimits): number {
    const name = JSON.stringify(limits);
    const known = this.#numbers.get(name) ?? addNumber(this.#builder, limits);
    this.#numbers.set(name, known);
    return known;
  }

  /** The state is known before it has edges, so that what is inside may come back to it. */
  #once(kind: string, schemas: readonly unknown[], fill: (start: number) => void): number {
    const names = [...new Set(schemas.map((schema) => this.#nameOf(schema)))].sort((a, b) => a - b);
    const key = `${kind} ${names.join()}`;
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const start = this.#builder.state();
    this.#values.set(key, start);
    fill(start);
    return start;
  }

  #nameOf(schema: unknown): number {
    const name = this.#names.get(schema) ?? this.#names.size;
    this.#names.set(schema, name);
    return name;
  }

  #listed(start: number, way: Way, values: readonly unknown[]): void {
    if (way.some(({ pattern, format }) => pattern !== undefined || format !== undefined))
      throw unsupported('pattern or format beside enum');
    const kept = values.filter((value) => way.every((plain) => holds(value, plain, this.#root)));
    const texts = new Set(kept.map((value) => JSON.stringify(value)));
    this.#builder.jump(start, this.#literals([...texts]));
  }

  /** Texts that begin alike are one path up to where they part. */
  #literals(texts: readonly string[]): number {
    const start = this.#builder.state();
    const end = this.#builder.end();
    const children = new Map<number, Map<number, number>>();
    for (const text of texts) {
      let at = start;
      for (const byte of new TextEncoder().encode(text)) {
        const next = children.get(at) ?? new Map<number, number>();
        children.set(at, next);
        if (!next.has(byte)) {
          next.set(byte, this.#builder.state());
          this.#builder.range(at, byte, byte, next.get(byte)!);
        }
        at = next.get(byte)!;
      }
      this.#builder.jump(at, end);
    }
    return start;
  }

  #array(way: Way): number {
    const { prefix, items, least, most } = arrayLimits(way);
    const builder = this.#builder;
    const [begin, closing] = [builder.state(), builder.state()];
    builder.text(closing, ']', builder.end());
    let at = builder.text(begin, '[');
    for (const [i, schemas] of prefix.slice(0, most).entries()) {
      if (i >= least) builder.jump(at, closing);
      at = this.#item(at, schemas, i > 0);
    }
    const counted = Math.min(prefix.length, most);
    if (most > counted) {
      const item = { first: this.#alone(items, counted > 0), more: this.#alone(items, true) };
      const rest = builder.repeat(item, Math.max(0, least - counted), most - counted, closing);
      builder.jump(at, rest);
    } else if (counted >= least) builder.jump(at, closing);
    return begin;
  }

  /** @returns the state behind the item. */
  #item(from: number, schemas: readonly Schema[], behindComma: boolean): number {
    const builder = this.#builder;
    const next = builder.state();
    builder.call(this.#comma(from, behindComma), this.#value(schemas), next);
    return next;
  }

  #alone(schemas: readonly Schema[], behindComma: boolean): number {
    const start = this.#builder.state();
    this.#builder.final(this.#item(start, schemas, behindComma));
    return start;
  }

  #comma(from: number, wanted: boolean): number {
    if (!wanted) return from;
    const behind = this.#builder.state();
    this.#builder.spaced(from, ',', behind);
    return behind;
  }

  #object(way: Way): number {
    const limits = objectLimits(way);
    const { properties, others, least, most } = limits;
    if (others && least > properties.length + 1) throw unsupported(`minProperties ${least}`);
    const builder = this.#builder;
    const [begin, closing] = [builder.state(), builder.state()];
    builder.text(closing, '}', builder.end());
    // More is not counted than matters.
    const top = Math.max(
      1,
      most < Infinity ? Math.min(most, properties.length) : Math.min(least, properties.length),
    );
    const states = [...properties, null].map(() => Array.from({ length: top + 1 }, () => builder.state()));
    builder.text(begin, '{', states[0]![0]);
    properties.forEach(({ name, schemas, required }, i) => {
      for (let count = 0; count <= Math.min(i, top); count++) {
        const at = states[i]![count]!;
        if (!required) builder.jump(at, states[i + 1]![count]!);
        if (count >= most) continue;
        const named = builder.text(this.#comma(at, count > 0), JSON.stringify(name));
        const value = builder.state();
        builder.spaced(named, ':', value);
        builder.call(value, this.#value(schemas), states[i + 1]![Math.min(count + 1, top)]!);
      }
    });
    const names = properties.map(({ name }) => name);
    states[properties.length]!.forEach((at, count) => {
      const left = most - count;
      // Of others one counts for sure: the next may have the same name.
      if (least - count > 1) return;
      if (!others || left <= 0) return void (count >= least && builder.jump(at, closing));
      const item = { first: this.#other(names, others, count > 0), more: this.#other(names, others, true) };
      builder.jump(at, builder.repeat(item, Math.max(0, least - count), left, closing));
    });
    return begin;
  }

  /** A property with any other name. */
  #other(names: readonly string[], schemas: readonly Schema[], behindComma: boolean): number {
    const builder = this.#builder;
    const start = builder.state();
    const [named, value] = [builder.state(), builder.state()];
    builder.call(this.#comma(start, behindComma), this.#strings.nameBut(names), named);
    builder.spaced(named, ':', value);
    builder.call(value, this.#value(schemas), builder.end());
    return start;
  }
}
