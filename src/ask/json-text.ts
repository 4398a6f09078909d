// JSON as models and clients write it into a text.
import { parse, type ParseError } from 'jsonc-parser';

const LONGEST = 100_000;
const OPTIONS = { allowTrailingComma: true, disallowComments: true };

/** A list or an object as JSON, in a fence or as Python prints it; undefined for other text. */
export function parseJson(text: string): unknown {
  if (text.length > LONGEST) return undefined;
  const bare = withoutFence(text.trim());
  if (!/^[[{]/.test(bare)) return undefined;
  const fromPython = () =>
    bare
      .replaceAll("'", '"')
      .replace(/\bNone\b/g, 'null')
      .replace(/\bTrue\b/g, 'true')
      .replace(/\bFalse\b/g, 'false');
  return parsed(bare) ?? parsed(fromPython());
}

function withoutFence(text: string): string {
  if (!text.startsWith('```') || !text.endsWith('```') || text.length < 6) return text;
  return text.slice(3, -3).replace(/^json/i, '').trim();
}

function parsed(text: string): unknown {
  const errors: ParseError[] = [];
  const value = parse(text, errors, OPTIONS) as unknown;
  return errors.length === 0 ? value : undefined;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isScalar(value: unknown): value is string | number {
  return typeof value === 'number' || typeof value === 'string';
}
