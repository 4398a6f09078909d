// A conversation → what the engine runs: token ids, image spans and the places where turns end.
import { AfterimageError } from '../errors.js';
import { FRAMES_A_MOMENT, type ImageInput } from '../image/rgb-image.js';
import type { ContentPart, Message } from './message.js';
import type { Checkpoint } from '../models/checkpoint/checkpoint.js';
import type { ImagePlan, Model, Processor } from '../models/family.js';
import { leadOf } from './answered.js';
import { controlStrings, Guard, type ControlStrings, type Marks } from './guard.js';
import { expandPlaceholders, locateImages, tokenAt, type ImageSpan } from './spans.js';
import {
  ChatTemplate,
  findTemplate,
  specialTokensOf,
  specialTokenStrings,
  type TemplateMessage,
  type TemplatePart,
} from './template.js';
import type { Rendering, TemplateSource } from './template-work.js';
import { reading } from '../models/checkpoint/plain-file.js';
import { Tokenizer } from './tokenizer.js';

export interface PromptTokens {
  ids: Int32Array;
  /** Whole blocks of the images, markers included, in prompt order. */
  spans: ImageSpan[];
  /** Row of each token in its image's features; -1 for text. */
  featureIndex: Int32Array;
  /** Token counts after which a message is complete, ascending: what a longer conversation shares with this one. */
  turnEnds: number[];
  /** The rendered text before expansion, without guards. */
  rendered: string;
}

export interface Prompt extends PromptTokens {
  images: ImageInput[];
  /** One for each image. */
  plans: ImagePlan[];
}

/** The part of a model that prompts depend on. */
type PromptModel = Pick<
  Model,
  | 'imagePlaceholder'
  | 'imageToken'
  | 'imageTokenId'
  | 'videoTokenId'
  | 'renderPrompt'
  | 'chatTemplate'
  | 'templateImage'
  | 'templateSwitches'
> & {
  processor: Planner;
};

type Planner = Pick<Processor, 'plan' | 'planMoment'>;

/** The processor that sees an image. */
type ProcessorOf = (image: ImageInput) => Planner;

/** What only the template may write as control tokens. */
interface Controls {
  user: ControlStrings;
  assistant: ControlStrings;
  /** Ids of the added tokens among them. */
  ids: Set<number>;
}

/** A prompt before its template has rendered it: data, as it may be rendered elsewhere. */
export interface Draft {
  marks: Marks;
  /** One for each image. */
  plans: ImagePlan[];
  wanted: Rendering[];
}

/** The template's text, and the template itself where it is trusted to render here. */
type SomeTemplate = Pick<ChatTemplate, 'source'> & Partial<Pick<ChatTemplate, 'render'>>;

/** Where its template is found: in the folder's files, unless it is given. */
type TemplateCheckpoint = Pick<Checkpoint, 'folder' | 'chatTemplate' | 'tokenizerConfig'>;

type TextPart = Extract<ContentPart, { type: 'text' }>;

export class PromptBuilder {
  readonly tokenizer: Tokenizer;
  readonly #model: PromptModel;
  readonly #template: SomeTemplate | undefined;
  readonly #controls: Controls;
  readonly #processorOf: ProcessorOf;

  /**
   * @param processorOf Where images are not all seen alike.
   * @throws AfterimageError INVALID_CHECKPOINT when tokenizer and template do not serve this model.
   */
  constructor(
    model: PromptModel,
    tokenizer: Tokenizer,
    template?: SomeTemplate,
    processorOf: ProcessorOf = () => model.processor,
  ) {
    this.#processorOf = processorOf;
    this.tokenizer = tokenizer;
    this.#model = model;
    this.#template = template;
    if (tokenizer.tokenId(model.imageToken) !== model.imageTokenId) {
      throw invalid(
        `The tokenizer does not know the image token "${model.imageToken}" as ${model.imageTokenId}`,
      );
    }
    if (!template && !model.renderPrompt) throw invalid('The checkpoint has no chat template');
    this.#controls = this.#collectControls();
  }

  /** For templates that are trusted: everything happens here and now. */
  static load(
    checkpoint: TemplateCheckpoint & Partial<Pick<Checkpoint, 'tokenizer'>>,
    model: PromptModel,
  ): PromptBuilder {
    const { folder, tokenizer, tokenizerConfig } = checkpoint;
    const given = templateOf(checkpoint, model);
    const template = given && new ChatTemplate(given.source, given.placeholder, given.tokens, given.switches);
    const load = (): Tokenizer => Tokenizer.load(folder, tokenizer, tokenizerConfig);
    return reading(folder, () => new PromptBuilder(model, load(), template));
  }

  /**
   * @throws AfterimageError IMAGE_UNSUPPORTED from the processor, INVALID_CHECKPOINT, INVALID_ARGUMENT.
   */
  build(messages: readonly Message[]): Prompt {
    const draft = this.draft(messages);
    const tokens = this.finish(draft, this.renderHere(draft.wanted));
    return { ...tokens, images: messages.flatMap(imagesOf), plans: draft.plans };
  }

  /**
   * Tokens of answers as the model would give them, the blank included that its template writes before one.
   * @param rendered What the template made of ANSWERED.
   * @throws AfterimageError INVALID_ARGUMENT where one is empty or would be read as a control token.
   */
  answerIds(answers: readonly string[], rendered: readonly string[]): number[][] {
    const lead = leadOf(rendered[0]!, rendered[1]!);
    return answers.map((answer) => {
      const ids = this.tokenizer.encode(lead + answer);
      if (ids.length > 0 && !ids.some((id) => this.#controls.ids.has(id))) return ids;
      throw new AfterimageError(
        'INVALID_ARGUMENT',
        `"${answer.slice(0, 40)}" is no text for this model; word that choice differently.`,
      );
    });
  }

  /** Tokens of text that was read in an image, as the model would write it; what would be a control token is left out. */
  readIds(text: string): number[] {
    const parts = this.tokenizer.spellsReadings ? [...text] : [text];
    return parts.flatMap((part) => this.tokenizer.encode(part)).filter((id) => !this.#controls.ids.has(id));
  }

  /** @throws AfterimageError IMAGE_UNSUPPORTED from the processor, MODEL_UNSUPPORTED */
  draft(messages: readonly Message[]): Draft {
    const guard = Guard.for([...messages.flatMap(texts), this.#template?.source ?? '']);
    const plans = messages.flatMap(imagesOf).map((image) => planOf(this.#processorOf(image), image));
    const guarded = messages.map((message) => this.#guarded(message, guard));
    return { marks: guard.marks, plans, wanted: this.#renderings(guarded) };
  }

  /** The whole conversation, then what it was after each message. */
  #renderings(messages: TemplateMessage[]): Rendering[] {
    const whole = { messages, addGenerationPrompt: true };
    if (!this.#template) return [whole];
    const parts = messages.flatMap(({ role }, i) =>
      role === 'system' ? [] : [{ messages: messages.slice(0, i + 1), addGenerationPrompt: false }],
    );
    return [whole, ...parts];
  }

  /**
   * @param rendered What the template made of `draft.wanted`.
   * @throws AfterimageError INVALID_CHECKPOINT, INVALID_ARGUMENT.
   */
  finish({ marks, plans }: Pick<Draft, 'marks' | 'plans'>, rendered: readonly string[]): PromptTokens {
    const guard = new Guard(marks);
    // Templates of some families leave the first token to the tokenizer; a family without one places it itself.
    const begun = !this.#template || rendered[0]!.startsWith(this.tokenizer.begin);
    const begin = begun ? '' : this.tokenizer.begin;
    const [whole, ...parts] = rendered.map((text) => begin + text);
    const plain = guard.remove(whole!);
    const expanded = expandPlaceholders(plain, this.#model.imagePlaceholder, replacements(plans));
    const encoded = this.tokenizer.encodePrompt(expanded, this.#controls.ids);
    const rows = plans.map(({ tokens }) => tokens);
    // A template may write the last message differently once another follows, so the shared beginning is what counts.
    const ends = parts.map((part) =>
      expanded.moved(guard.lengthWithout(whole!.slice(0, sharedLength(part, whole!)))),
    );
    return {
      ids: Int32Array.from(encoded.ids),
      ...locateImages(encoded, expanded.blocks, visionTokenIds(this.#model), rows),
      turnEnds: [...new Set(ends.map((end) => tokenAt(end, encoded.anchors)))].filter((end) => end > 0),
      rendered: plain.text.slice(begin.length),
    };
  }

  #guarded({ role, content }: Message, guard: Guard): TemplateMessage {
    // The system text is ours and says so itself; it is guarded like any other all the same.
    const controls = role === 'assistant' ? this.#controls.assistant : this.#controls.user;
    return {
      role,
      content: content.flatMap((part): TemplatePart[] => {
        if (part.type === 'image') return part.image.moment?.index ? [] : [{ type: 'image' }];
        return [{ type: 'text', text: this.#guardedText(part, role === 'user', guard, controls) }];
      }),
    };
  }

  #guardedText({ text, reading }: TextPart, asked: boolean, guard: Guard, controls: ControlStrings): string {
    if (!this.tokenizer.spellsReadings) return guard.protect(text, controls);
    if (reading) return guard.spell(text);
    return asked ? guard.protectSpelled(text, controls) : guard.protect(text, controls);
  }

  /** By a template that was given with what renders it, or by the family where there is none. */
  renderHere(wanted: readonly Rendering[]): string[] {
    const template = this.#template;
    return wanted.map(({ messages, addGenerationPrompt }) => {
      if (!template) return this.#renderOwn(messages);
      if (template.render) return template.render(messages, addGenerationPrompt);
      throw new TypeError('Expected a template that renders here but received the text of one');
    });
  }

  /** Of families that have no template. */
  #renderOwn(messages: readonly TemplateMessage[]): string {
    const turns = messages.map(({ content }) => ({
      text: content.map((part) => (part.type === 'text' ? part.text : '')).join(''),
      images: content.filter(({ type }) => type === 'image').length,
    }));
    return this.#model.renderPrompt!(turns);
  }

  #collectControls(): Controls {
    const { imagePlaceholder, imageToken } = this.#model;
    const source = this.#template?.source ?? '';
    const added = this.tokenizer.addedTokens.filter(
      ({ content }) => content.length > 1 && content.trim() !== '',
    );
    const always = added.filter(
      ({ special, content }) => special || [imagePlaceholder, imageToken].includes(content),
    );
    const written = added.filter(({ content }) => source.includes(content));
    const strings = (tokens: typeof added) => tokens.map(({ content }) => content);
    return {
      user: controlStrings([imagePlaceholder, imageToken, ...strings(always), ...strings(written)]),
      // An answer that we read back may hold a model's own non-special words such as <think>; templates look for them.
      assistant: controlStrings([imagePlaceholder, imageToken, ...strings(always)]),
      ids: new Set([...always, ...written].map(({ id }) => id)),
    };
  }
}

/** @throws AfterimageError INVALID_CHECKPOINT */
export function templateOf(
  { folder, chatTemplate, tokenizerConfig }: TemplateCheckpoint,
  model: PromptModel,
): TemplateSource | undefined {
  const stated = chatTemplate ?? findTemplate(folder) ?? model.chatTemplate;
  if (model.renderPrompt || stated === undefined) return undefined;
  const { templateImage: image } = model;
  const source = image ? stated.replace(new RegExp(image.pattern, 'g'), image.instead) : stated;
  return {
    source,
    placeholder: model.imagePlaceholder,
    tokens: tokenizerConfig ? specialTokensOf([tokenizerConfig]) : specialTokenStrings(folder),
    switches: model.templateSwitches,
  };
}

/** @throws AfterimageError IMAGE_UNSUPPORTED, MODEL_UNSUPPORTED where it sees no timelines */
function planOf(processor: Planner, { width, height, moment }: ImageInput): ImagePlan {
  if (!moment) return processor.plan(width, height);
  if (processor.planMoment) return processor.planMoment(width, height / FRAMES_A_MOMENT, moment);
  throw new AfterimageError(
    'MODEL_UNSUPPORTED',
    'This model sees pictures and no frames in time; leave fps out and give single frames, or use Qwen2-VL, Qwen2.5-VL, Qwen3-VL or Qwen3.5.',
  );
}

/** Of each placeholder: an image of its own, or the moments of a timeline. */
function replacements(plans: readonly ImagePlan[]): string[][] {
  const found: string[][] = [];
  plans.forEach(({ placeholder, numbered, moment }, index) => {
    const block = numbered ? `${numbered[0]}${index}${numbered[1]}${placeholder}` : placeholder;
    if (moment?.continues) found.at(-1)!.push(block);
    else found.push([block]);
  });
  return found;
}

/** Tokens whose rows are replaced by features. */
export function visionTokenIds({
  imageTokenId,
  videoTokenId,
}: Pick<Model, 'imageTokenId' | 'videoTokenId'>): number[] {
  return videoTokenId === undefined ? [imageTokenId] : [imageTokenId, videoTokenId];
}

function texts({ content }: Message): string[] {
  return content.flatMap((part) => (part.type === 'text' ? [part.text] : []));
}

function imagesOf({ content }: Message): ImageInput[] {
  return content.flatMap((part) => (part.type === 'image' ? [part.image] : []));
}

function sharedLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

function invalid(what: string): AfterimageError {
  return new AfterimageError(
    'INVALID_CHECKPOINT',
    `${what}; download the checkpoint's tokenizer files again.`,
  );
}
