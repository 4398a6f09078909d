// What one tool call gets beside its arguments, and the one way in which tools put a turn to the model: load,
// continuation and history are decided here. Tools decide what is asked and how the answer is read.
import { AfterimageError } from '../errors.js';
import {
  NOTHING_DONE,
  type Answer,
  type AskOptions,
  type CacheReport,
  type ChoiceWeight,
  type Engine,
  type ModelInfo,
  type Progress,
  type SamplingOptions,
  type Session,
  type StopReason,
} from '../engine/engine.js';
import type { Models } from '../engine/models.js';
import type { Message } from '../prompt/message.js';
import type { ImageContext } from '../image/load.js';
import {
  assistantMessage,
  choicesQuestion,
  schemaQuestion,
  systemMessage,
  userMessage,
} from '../prompt/layout.js';
import type { Conversation, Conversations, Cut, LineReader, Turn } from './conversations.js';
import type { TextLine } from '../prompt/parse.js';
import { sureLines, unseen, UNSURE } from './certainty.js';
import { structuredOf } from './schemas.js';
import { Statements } from './statements.js';
import { namesQuoted } from './named.js';
import { cancelled, inTime, type TimeLimits } from './deadline.js';
import type { ElementReader } from '../reading/elements.js';
import type { Reader } from '../reading/reading.js';
import type { Drawings } from './drawings.js';
import type { Answered } from './answered.js';
import type { Looks, Reuse } from './looks.js';

/** Everything that outlives a call. */
export interface Room {
  engine: Engine;
  /** Others that a call may name; absent: the engine's only. */
  models?: Models;
  reader: Reader;
  /** Absent: what read lines are is not said to any model. */
  elements?: ElementReader;
  images: ImageContext;
  conversations: Conversations;
  drawings: Drawings;
  /** Absent where nobody is told what was saved. */
  looks?: Looks;
  /** Absent: no answer is guessed from the one before. */
  answered?: Answered;
}

/** What a call is doing: the engine's stages, and reading text. */
export interface CallProgress extends Omit<Progress, 'stage'> {
  stage: Progress['stage'] | 'read';
}

export interface Call extends Room, TimeLimits {
  onProgress(progress: CallProgress): void;
  /** New text of the answer as it comes, for doors that show it. */
  onText?(text: string): void;
  /** What the model thinks before it, as it comes. */
  onThought?(text: string): void;
  /** How tokens are chosen, where whoever started the program said so. */
  sampling?: SamplingOptions;
}

export interface Question {
  /** Absent: continue the answer that was cut. */
  turn?: Turn;
  maxTokens: number;
  reader?: LineReader;
  /** The answer says what an image shows, so a small model of ours is silent where it is unsure. Not where text is read. */
  states?: boolean;
  /** The answer names everything that is important: what a small model of ours leaves out is added. */
  whole?: boolean;
}

/** How an answer that is returned ended; one that the client cancelled is not. */
export type Ending = Exclude<StopReason, 'cancelled'> | 'deadline';
type Said = Omit<Answer, 'stopReason'> & { stopReason: Ending };

/** What the model said in this call. */
export interface Reply {
  conversation: Conversation;
  /** New text only; a continued answer leaves out what was returned before. */
  text: string;
  /** What the model thought before it answered; no part of the text. */
  thinking?: string;
  stopReason: Ending;
  cache: Reuse;
  /** Null while the model is still loading. */
  model: string | null;
  /** The first answer of a conversation that the bundled model gives: what it is has to be said once. */
  introduces: boolean;
  /** Pictures that nobody asked to see closely were seen smaller, because this machine is slow. */
  hurried: boolean;
  /** In prompt order; empty when the prompt was not reached. */
  viewed: Answer['viewed'];
  /** A cut answer cannot be gone on with there. */
  endsForGood: boolean;
  /** Lines that are new in this call, where the question had a reader. */
  lines?: TextLine[];
  /** Of a question with choices, once they were weighed. */
  choices?: ChoiceWeight[];
  /** Of a question with a schema, once the answer is whole: all of it. */
  structured?: unknown;
}

/** Beyond the deadline, for the engine to stop and hand over what there is. */
const GRACE_MS = 2000;

export const isCut = (stopReason: Ending): boolean => stopReason === 'deadline' || stopReason === 'length';

/**
 * Puts a question to a conversation. Its history changes only when an answer, whole or cut, comes back.
 * @throws AfterimageError CANCELLED, SESSION_BUSY, INVALID_ARGUMENT (nothing to continue) and what the engine throws.
 */
export async function ask(asked: Call, conversation: Conversation, question: Question): Promise<Reply> {
  const call = question.turn ? asked : await ofTheCutter(asked, conversation.cut);
  const work = async (session: Session): Promise<Reply> => {
    const before = question.turn ? fresh(question) : conversation.cut;
    if (!before) throw nothingToContinue();
    const turns = question.turn ? [...conversation.turns, question.turn] : reopened(conversation.turns);
    await inTime(call, () => conversation.warming);
    const model = await loaded(call);
    const weighed = model && isOurs(model) ? before.weighed : undefined;
    const answer = model
      ? await generate(call, session, toMessages(turns, model), {
          ...call.sampling,
          maxTokens: question.maxTokens,
          certainty: weighed !== undefined,
          choices: turns.at(-1)?.choices,
          schema: turns.at(-1)?.schema,
          expected: turns.at(-1)?.expected,
          repeats: call.answered?.to(model, turns.at(-1)!),
          continues: before,
        })
      : null;
    const { text: whole, tokenIds } = answer ?? before;
    if (answer) call.answered?.keep(model!, turns.at(-1)!, tokenIds);
    const stopReason = answer?.stopReason ?? 'deadline';
    const structured = structuredOf(answer);
    // What has not begun can be begun anew anywhere.
    const endsForGood = (model?.endsForGood === true && whole !== '') || structured !== undefined;
    const said = answer && { ...answer, cut: isCut(stopReason), room: question.maxTokens };
    const sure = weighed && weigh(weighed, said, statementsOf(turns));
    record(
      conversation,
      turns,
      { ...before, text: whole, tokenIds, model: model?.name, weighed: sure ?? before.weighed },
      stopReason,
      endsForGood,
    );
    if (stopReason === 'deadline' && whole === before.text) conversation.warm(call.engine);
    const text = sure ? newlySure(sure, weighed!, whole !== '') : whole.slice(before.text.length);
    // Shown only now, because how sure the model was is known at the end.
    if (sure && text !== '') call.onText?.(text);
    return {
      conversation,
      text,
      thinking: answer?.thinking,
      stopReason,
      cache: answer ? reuse(call, model!.name, turns, answer.cache) : NOTHING_DONE,
      model: model?.name ?? null,
      introduces: model?.bundled === true && turns.length === 1 && question.turn !== undefined,
      hurried: model?.usualPixels !== undefined,
      viewed: answer?.viewed ?? [],
      endsForGood,
      lines: answer && model ? newLines(before, answer, model.boxes) : undefined,
      choices: answer?.choices,
      structured,
    };
  };
  return call.conversations.use(conversation, call.engine, work);
}

function reuse({ looks }: Call, model: string, turns: readonly Turn[], cache: CacheReport): Reuse {
  const pictures = turns.flatMap((turn) => turn.pictures);
  return looks?.weighed(model, pictures, cache) ?? cache;
}

/** An answer is gone on with by the model that began it, whichever is asked otherwise. @throws AfterimageError MODEL_NOT_FOUND */
async function ofTheCutter(call: Call, cut: Cut | undefined): Promise<Call> {
  if (cut?.model === undefined || cut.tokenIds.length === 0 || !call.models) return call;
  return { ...call, engine: await call.models.engine(cut.model) };
}

function fresh({ turn, reader, states, whole }: Question): Cut {
  const weighed = states && !turn?.choices && !turn?.schema && { certainty: [], shown: '', whole };
  return { text: '', tokenIds: [], reader, ...(weighed && { weighed }) };
}

type Weighed = NonNullable<Cut['weighed']>;

/** An answer that is cut before anything is sure says so too, once it has begun; what becomes sure later is shown then. */
function newlySure(sure: Weighed, before: Weighed, begun: boolean): string {
  return unseen(sure.shown, before.shown) || (begun && sure.shown === '' ? UNSURE : '');
}

/** What of the answer so far the model is sure of and, once it is whole, what was to be in it too. */
function weigh(
  before: Weighed,
  answer: (Pick<Said, 'text' | 'certainty' | 'tokenIds'> & { cut: boolean; room: number }) | null,
  statements?: Statements,
): Weighed {
  if (!answer) return before;
  const { text, cut, room, tokenIds } = answer;
  const certainty = [...before.certainty, ...(answer.certainty ?? [])];
  const sure = sureLines(text, certainty, statements && ((part, line) => statements.settle(part, line)));
  // What was shown of a cut answer stays first.
  const whole = before.whole && !cut && before.shown === '' && sure.length > 0;
  const all = whole && statements ? statements.completed(sure, room - tokenIds.length) : sure;
  const shown = all.length > 0 ? all.join('\n') : cut ? before.shown : UNSURE;
  return { ...before, certainty, shown };
}

/** Where read lines were handed on, only what quotes them remains, as what they are. */
function statementsOf(turns: readonly Turn[]): Statements | undefined {
  const readings = turns.flatMap(({ pictures }) => pictures.flatMap(({ reading }) => reading ?? []));
  return readings.length > 0 ? new Statements(readings, namedIn(turns)) : undefined;
}

/** The last turn as it was while it was being answered. */
function reopened(turns: Turn[]): Turn[] {
  return turns.map((turn, index) => (index === turns.length - 1 ? { ...turn, answer: undefined } : turn));
}

/** The model, or null when the deadline came before it was loaded; loading goes on in the background. */
export function loaded(
  call: Pick<Call, 'engine' | 'signal' | 'deadline' | 'onProgress'>,
): Promise<ModelInfo | null> {
  return inTime(call, () => call.engine.ready(call.onProgress));
}

/** Null when there was no time left, or when the engine was too busy with others to stop at the deadline. */
async function generate(
  call: Call,
  session: Session,
  messages: Message[],
  options: AskOptions,
): Promise<Said | null> {
  if (call.deadline <= performance.now()) return null;
  const { onProgress, onThought } = call;
  // What is left out must not have been shown.
  const onText = options.certainty ? undefined : call.onText;
  return inTime(
    call,
    async (stop) => {
      const answer = await session.ask(messages, { ...options, onProgress, onText, onThought, signal: stop });
      const { stopReason } = answer;
      if (stopReason !== 'cancelled') return { ...answer, stopReason };
      // Stopped by neither the deadline nor the client: the engine was closed.
      if (!stop.aborted) throw cancelled();
      return { ...answer, stopReason: 'deadline' };
    },
    GRACE_MS,
  );
}

function toMessages(turns: readonly Turn[], model: ModelInfo): Message[] {
  return [systemMessage(), ...turns.flatMap((_, i) => ofTurn(turns.slice(0, i + 1), isOurs(model)))];
}

/** The bundled model, or another one trained as it was, wherever its folder lies. */
function isOurs({ bundled, readsAlong }: ModelInfo): boolean {
  return bundled || readsAlong;
}

/** Our own models know the questions that they were trained on, and neither a list of answers nor a schema behind them. */
function ofTurn(turns: readonly Turn[], ours: boolean): Message[] {
  const { pictures, question, choices, schema, answer } = turns.at(-1)!;
  const asked = userMessage(
    pictures.map(({ input }) => input),
    ours ? namedIn(turns) : worded(question, choices, schema),
    pictures.map(({ reading }) => reading?.written),
  );
  return answer === undefined ? [asked] : [asked, assistantMessage(answer)];
}

/** The last question as our own models were trained to be asked about what was read. */
function namedIn(turns: readonly Turn[]): string {
  const read = turns.flatMap(({ pictures }) => pictures.flatMap(({ reading }) => reading?.lines ?? []));
  return namesQuoted(turns.at(-1)?.question ?? '', read);
}

function worded(question: string, choices: Turn['choices'], schema: Turn['schema']): string {
  if (choices) return choicesQuestion(question, choices);
  return schema ? schemaQuestion(question, schema) : question;
}

function record(
  conversation: Conversation,
  turns: Turn[],
  answered: Cut,
  stopReason: Ending,
  endsForGood: boolean,
): void {
  const last = turns.at(-1);
  if (!last) return;
  conversation.turns = [...turns.slice(0, -1), { ...last, answer: answered.text }];
  conversation.cut = isCut(stopReason) && !endsForGood ? answered : undefined;
}

/** Of a continued answer, the lines that were not complete before. */
function newLines({ text, reader }: Cut, answer: Said, boxes: ModelInfo['boxes']): TextLine[] | undefined {
  const viewed = answer.viewed[0];
  if (!reader || !viewed || !boxes) return undefined;
  return reader(answer.text, viewed, boxes).slice(reader(text, viewed, boxes).length);
}

function nothingToContinue(): AfterimageError {
  return new AfterimageError(
    'INVALID_ARGUMENT',
    'The last answer of this session is complete, so there is nothing to continue. Pass a question.',
  );
}
