// What a checkpoint folder says, read where it can hold nobody up: settings, programs and the tokenizer of strangers take
// seconds at best, and for ever at worst. Runs in a thread of its own; callers use `checkpoint-thread.ts`.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AfterimageError } from '../errors.js';
import { decoderWidths, type DecoderWidths } from '../graph/program.js';
import type { Checkpoint, TokenIds } from '../models/checkpoint/checkpoint.js';
import { reading } from '../models/checkpoint/plain-file.js';
import { stampOf } from '../models/checkpoint/weights-content.js';
import type { Moment } from '../image/rgb-image.js';
import type { ImagePlan, Model, Processor } from '../models/family.js';
import { linearPositions, mropePositions } from '../models/positions.js';
import { openAlone } from '../models/one-family.js';
import type { ContentPart, Message } from '../prompt/message.js';
import { ANSWERED } from '../prompt/answered.js';
import { PromptBuilder, templateOf, type Draft, type PromptTokens } from '../prompt/prompt.js';
import { Detokenizer, type TextState } from '../prompt/stream.js';
import type { TemplateSource } from '../prompt/template-work.js';
import { Tokenizer } from '../prompt/tokenizer.js';
import type { Vocabulary } from '../prompt/vocabulary.js';
import { chosenProcessor, type ImageDetail } from './chosen-processor.js';
import { isBundled } from './model-folder.js';
import { requireMemory } from './memory-need.js';
import { fromNative } from './native.js';
import type { NativeEngineOptions } from './native-engine.js';
import { nativeOptions, type ModelSettings } from './native-options.js';
import { ladder, type Step } from './pace.js';
import { packageVersion } from '../version.js';
import { scriptsIdentity } from './scripts-identity.js';
import { Processors } from './sight.js';
import type { UsableMemory } from './usable-memory.js';

export interface CheckpointSource extends ImageDetail {
  folder: string;
  /** Where its vision weights lie, if not there. */
  vision?: string;
  /** Of its settings when it was opened first; a thread that takes over must find the same. */
  stamp?: string;
}

/** What everybody else needs to know of a model: data. */
export interface ModelFacts
  extends
    Pick<Model, 'modelType' | 'contextLength' | 'boxes' | 'visibility' | 'positionAxes' | 'eosTokenIds'>,
    DecoderWidths {
  folder: string;
  stamp: string;
  parameters: number;
  readsAlong: boolean;
  template: TemplateSource | undefined;
  tokenIds: TokenIds;
  /** Of the processor without a limit. */
  identity: string;
  /** Of the scripts that make pixels and tokens. */
  scripts: string;
}

interface Opened {
  model: Model;
  processors: Processors;
  prompts: PromptBuilder;
  facts: Omit<ModelFacts, 'scripts'>;
}

/** By source; one model is usual, and what was closed is dropped. */
const known = new Map<string, Opened>();

/** Opens again what was opened in a thread that has ended. @throws AfterimageError as `open`, MODEL_CHANGED */
export async function ready(input?: { source: CheckpointSource }): Promise<void> {
  if (input?.source.stamp !== undefined) await found(input.source);
}

/**
 * @param name Of the model, as people know it.
 * @throws AfterimageError MODEL_NOT_FOUND, MODEL_UNSUPPORTED, INVALID_CHECKPOINT, IO_FAILED, OUT_OF_MEMORY
 */
export async function open({
  source,
  name,
  options,
  memory,
}: {
  source: CheckpointSource;
  name: string;
  options: ModelSettings;
  memory: UsableMemory;
}): Promise<{ facts: ModelFacts; native: NativeEngineOptions }> {
  const { opened, checkpoint } = await openAnew(source);
  const { model } = opened;
  // In this process they stay what they are; what outlives it must name them.
  const scripts = options.cacheFolder === undefined ? packageVersion() : scriptsIdentity();
  const facts = { ...opened.facts, scripts };
  const unbudgeted = nativeOptions(options, checkpoint, model);
  const needed = requireMemory(name, unbudgeted, model, memory, options.budgets);
  const budgets = await needed.catch((error: unknown) =>
    reading(source.folder, () => {
      throw fromNative(error);
    }),
  );
  known.set(keyOf({ ...source, stamp: facts.stamp }), opened);
  return { facts, native: { ...unbudgeted, budgets } };
}

/** Sizes in which a screen can be seen. */
export async function steps({ source }: { source: CheckpointSource }): Promise<Step[]> {
  const { model } = await found(source);
  return ladder(model.processor);
}

/** An image as prompts need it. */
export interface SeenImage {
  width: number;
  height: number;
  limit: number | undefined;
  moment?: Moment | undefined;
}

/** A message whose images are places in a list. */
export interface ListedMessage {
  role: Message['role'];
  content: (Extract<ContentPart, { type: 'text' }> | { type: 'image'; image: number })[];
}

export interface DraftedPrompt extends Draft {
  /** Of the processor that sees each image. */
  identities: string[];
  /** Where the checkpoint has no template that must render it. */
  rendered: string[] | undefined;
}

/** @throws AfterimageError IMAGE_UNSUPPORTED, MODEL_UNSUPPORTED */
export async function draft({
  source,
  messages,
  images,
}: {
  source: CheckpointSource;
  messages: ListedMessage[];
  images: SeenImage[];
}): Promise<DraftedPrompt> {
  const { prompts, processors, facts } = await found(source);
  const asked = messages.map((message) => withImages(message, images));
  const drafted = reading(source.folder, () => prompts.draft(asked));
  return {
    ...drafted,
    identities: images.map(({ limit }) => processors.of(limit).identity),
    rendered: facts.template ? undefined : prompts.renderHere(drafted.wanted),
  };
}

export interface TokenRows extends PromptTokens {
  positionIds: Int32Array;
  ropeDelta: number;
  /** Tokens before the answer; `ids` may go on with the beginning of one. */
  question: Int32Array;
}

/** @throws AfterimageError INVALID_CHECKPOINT, INVALID_ARGUMENT */
export async function finish({
  source,
  drafted,
  rendered,
  answer,
}: {
  source: CheckpointSource;
  drafted: Pick<Draft, 'marks' | 'plans'>;
  rendered: string[];
  /** Tokens with which the answer begins: text, whatever their ids. */
  answer: readonly number[];
}): Promise<TokenRows> {
  const { prompts, model } = await found(source);
  const asked = reading(source.folder, () => prompts.finish(drafted, rendered));
  const ids = Int32Array.from([...asked.ids, ...answer]);
  const featureIndex = Int32Array.from([...asked.featureIndex, ...answer.map(() => -1)]);
  const tokens = { ...asked, ids, featureIndex };
  const { data, ropeDelta } =
    model.positionAxes === 3
      ? mropePositions(ids.length, grids(tokens, drafted.plans))
      : linearPositions(ids.length);
  return { ...tokens, question: asked.ids, positionIds: data, ropeDelta };
}

/** Tokens of answers. @param rendered Of ANSWERED, where the checkpoint has a template. @throws AfterimageError INVALID_ARGUMENT */
export async function answers({
  source,
  texts,
  rendered,
}: {
  source: CheckpointSource;
  texts: readonly string[];
  rendered: string[] | undefined;
}): Promise<Int32Array[]> {
  const { prompts } = await found(source);
  const ids = prompts.answerIds(texts, rendered ?? prompts.renderHere(ANSWERED));
  return ids.map((answer) => Int32Array.from(answer));
}

/** Tokens of a text that an answer may repeat. */
export async function expected({
  source,
  text,
}: {
  source: CheckpointSource;
  text: string;
}): Promise<Int32Array> {
  const { prompts } = await found(source);
  return Int32Array.from(prompts.readIds(text));
}

/** The mark that ends thoughts, as templates write it. */
export async function closing({
  source,
  mark,
}: {
  source: CheckpointSource;
  mark: string;
}): Promise<number[]> {
  const { prompts } = await found(source);
  return prompts.tokenizer.encode(`\n${mark}\n\n`);
}

/** The bytes of the tokens of text. @throws AfterimageError MODEL_UNSUPPORTED */
export async function vocabulary({ source }: { source: CheckpointSource }): Promise<Vocabulary> {
  const { prompts, facts } = await found(source);
  const known = prompts.tokenizer.vocabulary(facts.vocab, facts.eosTokenIds);
  if (known) return known;
  throw new AfterimageError(
    'MODEL_UNSUPPORTED',
    "This model's tokenizer has tokens that are not simply bytes, so its answers cannot be held to a schema; leave it out, or use another model.",
  );
}

function grids({ spans, featureIndex }: PromptTokens, plans: readonly ImagePlan[]) {
  return spans.flatMap(({ start, image }) => {
    const { grid } = plans[image]!;
    return grid ? [{ start: start + featureIndex.subarray(start).findIndex((row) => row >= 0), grid }] : [];
  });
}

/** What each of the tokens adds to a text, and at its end what was held back. */
export async function texts({
  source,
  state,
  ids,
  end,
}: {
  source: CheckpointSource;
  state: TextState;
  ids: readonly number[];
  end: boolean;
}): Promise<{ texts: string[]; state: TextState }> {
  const { prompts } = await found(source);
  const text = new Detokenizer(prompts.tokenizer, state);
  const added = ids.map((id) => text.push(id));
  if (end) added.push(text.end());
  return { texts: added, state: text.state };
}

export function forget({ source }: { source: CheckpointSource }): void {
  known.delete(keyOf(source));
}

/** @throws AfterimageError MODEL_CHANGED where it must be opened again and is not what it was. */
async function found(source: CheckpointSource): Promise<Opened> {
  const key = keyOf(source);
  let opened = known.get(key);
  if (opened) return opened;
  ({ opened } = await openAnew(source));
  if (opened.facts.stamp !== source.stamp) {
    throw new AfterimageError(
      'MODEL_CHANGED',
      `The settings in "${source.folder}" are not those that were loaded; restart, so that they are loaded anew.`,
    );
  }
  known.set(key, opened);
  return opened;
}

function keyOf({ folder, vision, maxPixels, imageTokens, stamp }: CheckpointSource): string {
  return JSON.stringify([folder, vision, maxPixels, imageTokens, stamp]);
}

/** The processor for pictures alone. */
function stills(processor: Processor): Pick<Processor, 'plan'> {
  return { plan: (width, height) => processor.plan(width, height) };
}

async function openAnew(source: CheckpointSource): Promise<{ opened: Opened; checkpoint: Checkpoint }> {
  const { folder, vision } = source;
  const stamp = [folder, ...(vision === undefined ? [] : [vision])].map(settingsStamp).join('\n');
  const { checkpoint, model: whole } = await openAlone(folder, undefined, vision);
  const model = { ...whole, processor: chosenProcessor(whole, source) };
  const processors = new Processors(model.processor);
  const template = templateOf(checkpoint, model);
  const prompts = reading(
    folder,
    () =>
      new PromptBuilder(
        model,
        Tokenizer.load(checkpoint.folder, checkpoint.tokenizer, checkpoint.tokenizerConfig),
        template,
        // The bundled model has the family's form, but was never shown a timeline.
        (image) =>
          isBundled(folder) ? stills(processors.of(image.maxPixels)) : processors.of(image.maxPixels),
      ),
  );
  const { modelType, contextLength, boxes, visibility, positionAxes, eosTokenIds } = model;
  const facts = {
    ...{ modelType, contextLength, boxes, visibility, positionAxes, eosTokenIds },
    ...decoderWidths(model.decoder),
    folder: checkpoint.folder,
    stamp,
    parameters: parameterCount(model),
    readsAlong: prompts.tokenizer.spellsReadings,
    template,
    tokenIds: checkpoint.tokenIds ?? new Map(),
    identity: model.processor.identity,
  };
  return { opened: { model, processors, prompts, facts }, checkpoint };
}

/** Of everything but the weights; a folder that is not there is found missing by whoever opens it. */
function settingsStamp(folder: string): string {
  try {
    if (folder.endsWith('.gguf')) return stampOf(folder);
    const names = readdirSync(folder).filter((name) => /\.(json|jinja|model|tiktoken|gguf)$/.test(name));
    return names
      .sort()
      .map((name) => `${name} ${stampOf(join(folder, name))}`)
      .join('\n');
  } catch {
    return '';
  }
}

/** The limit of each image stands where a question's own would. */
function withImages({ role, content }: ListedMessage, images: readonly SeenImage[]): Message {
  return {
    role,
    content: content.map((part) => {
      if (part.type === 'text') return part;
      const { width, height, limit, moment } = images[part.image]!;
      const image = { width, height, maxPixels: limit, moment, pixelHash: '', pixels: nothing };
      return { type: 'image', image };
    }),
  };
}

function nothing(): never {
  throw new TypeError('Expected a question about the size of an image but received one about its pixels');
}

/** Logical weights of all programs, each counted once. */
function parameterCount({ vision, decoder, mtp }: Model): number {
  const stored = [vision, decoder, mtp].flatMap((program) => program?.weights ?? []);
  const sizes = new Map(
    stored.filter(({ values }) => !values).map(({ name, shape }) => [name, shape.reduce((a, b) => a * b, 1)]),
  );
  return [...sizes.values()].reduce((a, b) => a + b, 0);
}
