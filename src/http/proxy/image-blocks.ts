// Where the pictures of a request are: in messages of chat completions, in input of Responses, in messages of Anthropic,
// results of tools included; documents of pages too. What tools are called with is nobody's picture, whatever it looks
// like.
import type { CarriedText } from '../../image/carried.js';
import { valueOf, type Member, type Span, type Value } from './json-spans.js';

export interface ImageBlock extends Span {
  /** What stands there instead is such a part. */
  part: 'text' | 'input_text' | 'message';
  /** Where the picture is written, between the quotes of a string: a reference, or nothing but base64. */
  picture: (Span & { written: 'reference' | 'base64' }) | { kept: string };
  /** Members that mean the same for a text, such as where a cache ends. */
  members: Span[];
}

/** All of a request's, in the order in which they stand there. @throws AfterimageError INVALID_ARGUMENT */
export function imageBlocks(body: CarriedText): ImageBlock[] {
  const text = Buffer.concat(body).toString('latin1');
  const found = new Blocks(text);
  found.request(valueOf(text));
  return found.blocks.sort((a, b) => a.from - b.from);
}

/** Members of content in which there may be more content. */
const HOLDS_CONTENT = new Set(['content', 'output', 'source']);
const PDF = 'application/pdf';
const PDF_URL = /\.pdf(?:[?#]|$)/i;
/** Slashes may be escaped. */
const PDF_DATA_URL = /^data:application\\?\/pdf[;,]/i;
/** "%PDF-". */
const PDF_BASE64 = 'JVBERi0';
const PEEKED = 40;
const KEPT_MEMBERS = new Set(['cache_control']);

class Blocks {
  readonly blocks: ImageBlock[] = [];
  readonly #text: string;

  /** @param text One character for each byte. */
  constructor(text: string) {
    this.#text = text;
  }

  request(body: Value): void {
    for (const { name, value } of body.members ?? []) {
      if (name === 'messages' || name === 'system') this.#content(value, 'text');
      else if (name === 'input') this.#content(value, 'input_text');
      else if (name === 'prompt') this.#variables(value);
      else if (name === 'requests') for (const one of value.items ?? []) this.#batched(one);
    }
  }

  #batched({ members = [] }: Value): void {
    for (const { name, value } of members) if (name === 'params') this.request(value);
  }

  /** Of a prompt that the provider keeps. */
  #variables({ members = [] }: Value): void {
    const all = members
      .filter(({ name }) => name === 'variables')
      .flatMap(({ value }) => value.members ?? []);
    for (const { value } of all) this.#content(value, 'input_text');
  }

  #content(value: Value, part: ImageBlock['part']): void {
    for (const item of value.items ?? []) this.#content(item, part);
    if (!value.members) return;
    const picture = pictureIn(value) ?? documentIn(value, this.#text);
    if (picture)
      return void this.#add(value, typeOf(value) === 'image_generation_call' ? 'message' : part, picture);
    for (const { name, value: inner } of value.members)
      if (HOLDS_CONTENT.has(name)) this.#content(inner, part);
  }

  #add({ from, to, members = [] }: Value, part: ImageBlock['part'], picture: ImageBlock['picture']): void {
    const kept = members.filter(({ name }) => KEPT_MEMBERS.has(name));
    this.blocks.push({ from, to, part, picture, members: kept.map(({ from, to }) => ({ from, to })) });
  }
}

/** The picture of a part that is one. */
function pictureIn(part: Value): ImageBlock['picture'] | undefined {
  switch (typeOf(part) ?? '') {
    case 'image_url':
    case 'input_image':
    case 'computer_screenshot':
      return referred(last(part, 'image_url'), 'url') ?? kept(part);
    case 'image':
      return inSource(last(part, 'source')) ?? ofTool(part) ?? kept(part);
    case 'image_generation_call':
      return string(last(part, 'result'), 'base64');
    default:
      return undefined;
  }
}

/** The document of a part that is a PDF; other files are text to their provider, and stay. */
function documentIn(part: Value, text: string): ImageBlock['picture'] | undefined {
  switch (typeOf(part) ?? '') {
    case 'document': {
      const source = last(part, 'source');
      if (!source) return undefined;
      if (typeOf(source) === 'url') return string(last(source, 'url'), 'reference');
      return last(source, 'media_type')?.text === PDF ? string(last(source, 'data'), 'base64') : undefined;
    }
    case 'file':
      return pdfData(last(last(part, 'file') ?? part, 'file_data'), text);
    case 'input_file': {
      const url = last(part, 'file_url');
      const named = url?.text !== undefined && PDF_URL.test(url.text);
      return pdfData(last(part, 'file_data'), text) ?? (named ? string(url, 'reference') : undefined);
    }
    default:
      return undefined;
  }
}

function pdfData(value: Value | undefined, text: string): ImageBlock['picture'] | undefined {
  if (!value?.isString) return undefined;
  const begin = text.slice(value.from + 1, value.from + 1 + PEEKED);
  if (PDF_DATA_URL.test(begin)) return string(value, 'reference');
  return begin.startsWith(PDF_BASE64) ? string(value, 'base64') : undefined;
}

/** Anthropic's: {"type": "base64", "data": …} or {"type": "url", "url": …}. */
function inSource(source: Value | undefined): ImageBlock['picture'] | undefined {
  if (!source) return undefined;
  return string(last(source, 'data'), 'base64') ?? string(last(source, 'url'), 'reference');
}

/** As tools of MCP give it, {"data": …, "mimeType": …}, or as some frameworks write it, {"image": …}. */
function ofTool(part: Value): ImageBlock['picture'] | undefined {
  return (
    string(last(part, 'data'), 'base64') ??
    referred(last(part, 'image') ?? last(part, 'image_url') ?? last(part, 'url'), 'url')
  );
}

/** A string, or an object with one. */
function referred(value: Value | undefined, name: string): ImageBlock['picture'] | undefined {
  const inner = value?.members ? last(value, name) : value;
  return string(inner, 'reference');
}

function string(value: Value | undefined, written: 'reference' | 'base64') {
  return value?.isString ? { from: value.from + 1, to: value.to - 1, written } : undefined;
}

/** One that only the provider has, such as an uploaded file. */
function kept(part: Value): ImageBlock['picture'] {
  const places = [part, last(part, 'source'), last(part, 'image_url')];
  const id = places.map((place) => place && last(place, 'file_id')?.text).find((text) => text);
  return { kept: id ?? '' };
}

const typeOf = (value: Value): string | undefined => last(value, 'type')?.text;

/** Of several members of one name the last one counts, as everywhere. */
function last({ members = [] }: Value, name: string): Value | undefined {
  return members.findLast((member: Member) => member.name === name)?.value;
}
