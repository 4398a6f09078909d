// Arguments under other names: spelled otherwise, or as other tools call the same thing. Only what is missing is looked
// for under another name, and never a session: other programs have sessions of their own and send their names along.
import { isRecord, parseJson } from './json-text.js';

const PATHS = [
  'path',
  'file',
  'filename',
  'file_path',
  'image_path',
  'image_url',
  'url',
  'uri',
  'image_id',
  'picture',
  'screenshot',
];
const QUESTIONS = ['prompt', 'query', 'text', 'instruction'];

/** By field, each in the order in which it is looked for. */
const OTHERS: Record<string, string[]> = {
  image: ['images', ...PATHS],
  images: ['image', ...PATHS, 'paths', 'files', 'image_paths', 'image_urls', 'urls', 'image_ids'],
  image_a: ['before', 'image_1', 'image1', 'first', 'old', 'image_before', 'path_a'],
  image_b: ['after', 'image_2', 'image2', 'second', 'new', 'image_after', 'path_b'],
  question: ['message', ...QUESTIONS],
  message: ['question', ...QUESTIONS],
  page: ['pages', 'page_number', 'page_range'],
  locate: ['find', 'target', 'element', 'where'],
  languages: ['language', 'lang'],
  region: ['area', 'crop', 'rect', 'box', 'bbox'],
  ignore_regions: ['ignore_region', 'ignore', 'ignore_areas'],
};

/** What holds all arguments, where it is all that was sent. */
const WRAPPERS = ['arguments', 'args', 'input', 'params', 'parameters', 'kwargs'];

/** The arguments themselves: out of a text, a list of one, or a wrapper that the tool has no argument of. */
export function unwrappedArguments(given: unknown, fields: string[], depth = 0): unknown {
  if (depth > 3) return given;
  if (typeof given === 'string') {
    const parsed = parseJson(given);
    return parsed === undefined ? given : unwrappedArguments(parsed, fields, depth + 1);
  }
  if (Array.isArray(given) && given.length === 1 && isRecord(given[0])) return given[0];
  if (!isRecord(given)) return given;
  const [key, ...more] = Object.keys(given);
  if (key === undefined || more.length > 0 || fields.includes(key) || !WRAPPERS.includes(key)) return given;
  const inside = unwrappedArguments(given[key], fields, depth + 1);
  return isRecord(inside) ? inside : given;
}

/** The same arguments under the tool's own names, and the names that it does not have. */
export function named(
  given: Record<string, unknown>,
  fields: string[],
): { args: Record<string, unknown>; foreign: string[] } {
  const args: Record<string, unknown> = {};
  const rest = new Map(Object.entries(given));
  const take = (field: string, key: string | undefined): boolean => {
    if (key === undefined) return false;
    args[field] = rest.get(key);
    return rest.delete(key);
  };
  for (const field of fields) take(field, rest.has(field) ? field : undefined);
  const missing = () => fields.filter((field) => isNothing(args[field]) && field !== 'session_id');
  for (const field of missing()) take(field, spelledLike(field, rest));
  for (const field of missing())
    take(
      field,
      OTHERS[field]?.map((other) => spelledLike(other, rest)).find((key) => key !== undefined),
    );
  if (fields.includes('image_a')) takePair(args, rest);
  return { args, foreign: [...rest.keys()] };
}

/** Two images in one list are the one before and the one after. */
function takePair(args: Record<string, unknown>, rest: Map<string, unknown>): void {
  const given = rest.get('images');
  const pair = typeof given === 'string' ? parseJson(given) : given;
  if (!Array.isArray(pair) || pair.length !== 2 || !isNothing(args['image_a']) || !isNothing(args['image_b']))
    return;
  [args['image_a'], args['image_b']] = pair as unknown[];
  rest.delete('images');
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

function spelledLike(field: string, rest: Map<string, unknown>): string | undefined {
  return [...rest.keys()].find((key) => bare(key) === bare(field) && !isNothing(rest.get(key)));
}

function bare(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}
