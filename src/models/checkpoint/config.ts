// Typed reading of config.json and the processor's settings. Keys keep their Hugging Face spelling.
import { AfterimageError } from '../../errors.js';

/** The largest models have a few hundred layers, a few hundred experts in one, and as many values in a head. */
export const MOST_PARTS = 16_384;

export class Config {
  readonly #values: Record<string, unknown>;
  readonly where: string;

  /** @param where How messages name this section: "config.json", "text_config", … */
  constructor(values: Record<string, unknown>, where: string) {
    this.#values = values;
    this.where = where;
  }

  has(key: string): boolean {
    return this.#values[key] !== undefined && this.#values[key] !== null;
  }

  /** @throws AfterimageError INVALID_CHECKPOINT where the key is absent and has no fallback, or is not a number. */
  number(key: string, fallback?: number): number {
    const value = this.#values[key] ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.#wrong(key, 'a number', value);
    return value;
  }

  /** A positive whole number: sizes and counts. */
  count(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (!Number.isSafeInteger(value) || value < 1) throw this.#wrong(key, 'a positive whole number', value);
    return value;
  }

  /** As `count`, for layers and the like: lists of them are made before a tensor tells how many there are. */
  parts(key: string, fallback?: number, most = MOST_PARTS): number {
    const value = this.count(key, fallback);
    if (value > most) throw this.#wrong(key, `${most} at most`, value);
    return value;
  }

  string(key: string, fallback?: string): string {
    const value = this.#values[key] ?? fallback;
    if (typeof value !== 'string') throw this.#wrong(key, 'a string', value);
    return value;
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.#values[key] ?? fallback;
    if (typeof value !== 'boolean') throw this.#wrong(key, 'true or false', value);
    return value;
  }

  numbers(key: string, fallback?: number[]): number[] {
    const value = this.#values[key] ?? fallback;
    if (!Array.isArray(value) || !value.every((n) => typeof n === 'number'))
      throw this.#wrong(key, 'a list of numbers', value);
    return value;
  }

  strings(key: string): string[] {
    const value = this.#values[key];
    if (!Array.isArray(value) || !value.every((s) => typeof s === 'string'))
      throw this.#wrong(key, 'a list of strings', value);
    return value;
  }

  /** Three channel values of `image_mean` or `image_std`. */
  channels(key: string): [number, number, number] {
    const value = this.numbers(key);
    if (value.length !== 3) throw this.#wrong(key, 'three numbers', value);
    return [value[0]!, value[1]!, value[2]!];
  }

  section(key: string): Config {
    const value = this.#values[key];
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.#wrong(key, 'an object', value);
    return new Config(value as Record<string, unknown>, `${this.where}.${key}`);
  }

  /** Values of a configuration class: files leave out keys that equal them. */
  withDefaults(defaults: Record<string, unknown>): Config {
    const stated = Object.entries(this.#values).filter(([, value]) => value !== undefined && value !== null);
    return new Config({ ...defaults, ...Object.fromEntries(stated) }, this.where);
  }

  sectionOr(key: string, fallback: Config): Config {
    return this.has(key) ? this.section(key) : fallback;
  }

  /** The first of several spellings that is present. */
  spelling(...keys: string[]): string {
    return keys.find((key) => this.has(key)) ?? keys[0]!;
  }

  /** A number or a list of numbers; empty where absent. */
  ids(key: string): number[] {
    const value = this.#values[key];
    const list = Array.isArray(value) ? value : [value];
    return list.filter((id): id is number => typeof id === 'number');
  }

  raw(): Record<string, unknown> {
    return this.#values;
  }

  #wrong(key: string, expected: string, value: unknown): AfterimageError {
    const received = value === undefined ? 'nothing' : JSON.stringify(value);
    return new AfterimageError(
      'INVALID_CHECKPOINT',
      `Expected ${expected} for "${key}" in ${this.where} but received ${received}; download the checkpoint again.`,
    );
  }
}
