// A checkpoint's own chat template, found where vendors put it and fed the message form that it understands.
import { join } from 'node:path';
import { Template } from '@huggingface/jinja';
import { AfterimageError } from '../errors.js';
import { readJson, type Json } from '../models/checkpoint/json-file.js';
import { readText } from '../models/checkpoint/plain-file.js';

export type TemplatePart = { type: 'text'; text: string } | { type: 'image' };

export interface TemplateMessage {
  role: 'system' | 'user' | 'assistant';
  content: TemplatePart[];
}

/**
 * How content is handed over. `parts`: always a list. `mixed`: text alone as a string. `flat`: always a string, with the
 * placeholder written by us. `folded` puts the system text before the first user message, for templates without that role.
 */
interface Form {
  content: 'parts' | 'mixed' | 'flat';
  folded: boolean;
}

const FORMS: Form[] = (['parts', 'mixed', 'flat'] as const).flatMap((content) => [
  { content, folded: false },
  { content, folded: true },
]);

/** Real ones have some ten thousand characters. */
const LONGEST_TEMPLATE = 2 ** 20;

/** The template's source by precedence, or undefined for families that have none. @throws AfterimageError INVALID_CHECKPOINT */
export function findTemplate(folder: string): string | undefined {
  const jinja = readText(join(folder, 'chat_template.jinja'), LONGEST_TEMPLATE);
  if (jinja !== undefined) return jinja;
  for (const file of ['chat_template.json', 'processor_config.json', 'tokenizer_config.json']) {
    const found = namedDefault(readJson(folder, file)?.chat_template);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A template is a string, a list of {name, template}, or an object by name; the one called default counts. */
function namedDefault(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) {
    const entries = value as { name?: string; template?: string }[];
    return (entries.find(({ name }) => name === 'default') ?? entries[0])?.template;
  }
  if (typeof value === 'object' && value !== null) return namedDefault((value as Json).default);
  return undefined;
}

/** bos_token, eos_token, … as the template sees them; tokens that are not set are absent. */
export function specialTokenStrings(folder: string): Record<string, string> {
  return specialTokensOf([
    readJson(folder, 'special_tokens_map.json') ?? {},
    readJson(folder, 'tokenizer_config.json') ?? {},
  ]);
}

/** The same of what the files hold; the later counts. */
export function specialTokensOf(sources: readonly Json[]): Record<string, string> {
  const strings: Record<string, string> = {};
  for (const [key, value] of sources.flatMap((source) => Object.entries(source))) {
    if (!/^(bos|eos|pad|unk|sep|cls|mask|image|boi|eoi)_token$/.test(key)) continue;
    const text = typeof value === 'string' ? value : (value as { content?: unknown } | null)?.content;
    if (typeof text === 'string') strings[key] = text;
  }
  return strings;
}

/** The answer is what was asked for. */
const UNTHINKING = { enable_thinking: false, thinking: false };

export class ChatTemplate {
  readonly source: string;
  readonly #template: Template;
  readonly #variables: Record<string, unknown>;
  readonly #placeholder: string;
  readonly #form: Form;

  /**
   * @param placeholder What the template writes for an image.
   * @param switches Variables of the template's own; where absent, models that can think aloud are asked not to.
   * @throws AfterimageError INVALID_CHECKPOINT when it does not parse, or renders no form of a conversation with an image.
   */
  constructor(
    source: string,
    placeholder: string,
    tokens: Record<string, string>,
    switches: Record<string, unknown> = UNTHINKING,
  ) {
    this.source = source;
    this.#placeholder = placeholder;
    this.#variables = { ...tokens, ...switches };
    try {
      this.#template = new Template(source);
    } catch (cause) {
      throw invalid(`does not parse (${messageOf(cause)})`, cause);
    }
    this.#form = this.#probe();
  }

  /** @throws AfterimageError INVALID_CHECKPOINT when the template refuses the conversation. */
  render(messages: readonly TemplateMessage[], addGenerationPrompt: boolean): string {
    try {
      return this.#renderAs(this.#form, messages, addGenerationPrompt);
    } catch (cause) {
      throw invalid(`refuses this conversation (${messageOf(cause)})`, cause);
    }
  }

  #renderAs(form: Form, messages: readonly TemplateMessage[], addGenerationPrompt: boolean): string {
    const given = (form.folded ? foldSystem(messages) : messages).map(({ role, content }) => ({
      role,
      content: this.#contentAs(form, content),
    }));
    return this.#template.render({
      ...this.#variables,
      messages: given,
      add_generation_prompt: addGenerationPrompt,
    });
  }

  #contentAs(form: Form, content: readonly TemplatePart[]): unknown {
    const asString =
      form.content === 'flat' || (form.content === 'mixed' && content.every(({ type }) => type === 'text'));
    if (!asString) return content;
    return content.map((part) => (part.type === 'text' ? part.text : `${this.#placeholder}\n`)).join('');
  }

  /** The first form in which every text and the image come out exactly once. */
  #probe(): Form {
    let reason: unknown;
    for (const form of FORMS) {
      try {
        if (this.#renders(form)) return form;
      } catch (cause) {
        reason ??= cause;
      }
    }
    const detail = reason === undefined ? 'it loses text or images' : messageOf(reason);
    throw invalid(`does not render a conversation with an image "${this.#placeholder}" (${detail})`, reason);
  }

  #renders(form: Form): boolean {
    const text = (value: string): TemplatePart => ({ type: 'text', text: value });
    const messages: TemplateMessage[] = [
      { role: 'system', content: [text('first-probe')] },
      { role: 'user', content: [{ type: 'image' }, text('second-probe')] },
      { role: 'assistant', content: [text('third-probe')] },
      { role: 'user', content: [text('fourth-probe')] },
    ];
    const rendered = this.#renderAs(form, messages, true);
    const once = (part: string) => rendered.split(part).length === 2;
    const stringified = /\[object|["']type["']\s*:/.test(rendered);
    return (
      !stringified &&
      [this.#placeholder, 'first-probe', 'second-probe', 'third-probe', 'fourth-probe'].every(once)
    );
  }
}

function foldSystem(messages: readonly TemplateMessage[]): TemplateMessage[] {
  const system = messages.filter(({ role }) => role === 'system').flatMap(({ content }) => content);
  const rest = messages.filter(({ role }) => role !== 'system');
  const first = rest[0];
  if (system.length === 0 || !first) return rest;
  return [
    { ...first, content: [...system, { type: 'text', text: '\n\n' }, ...first.content] },
    ...rest.slice(1),
  ];
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message.split('\n')[0]! : String(cause);
}

function invalid(what: string, cause: unknown): AfterimageError {
  return new AfterimageError(
    'INVALID_CHECKPOINT',
    `The chat template ${what}; download the checkpoint again.`,
    { cause },
  );
}
