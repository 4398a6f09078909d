// What one tab has: pictures that were added, questions that were asked, and what is being done.
import { useCallback, useReducer, useRef } from 'preact/hooks';
import { HttpServer, SIGNED_OUT } from './http-server.js';
import { Refusal, type CallProgress, type Line, type Outcome, type ToolName } from './server.js';

export interface Added {
  imageId: string;
  name: string;
  width: number;
  height: number;
  lines: Line[];
  /** Of a document with several pages: this one, from 1. */
  document?: { file: File; page: number; of: number };
}

export type Way = 'ask' | 'find';

export interface Entry {
  id: number;
  kind: Way | 'compare';
  question: string;
  /** The picture, or both. */
  images: string[];
  /** As it comes. */
  text: string;
  progress?: CallProgress;
  outcome?: Outcome;
  problem?: string;
  stop?: AbortController;
}

export interface State {
  pictures: Added[];
  /** The one on the stage. */
  at: string | undefined;
  entries: Entry[];
  /** Names of files that are being read. */
  adding: string[];
  problem: string | undefined;
}

const EMPTY: State = { pictures: [], at: undefined, entries: [], adding: [], problem: undefined };

type Change = (state: State) => State;

export interface Actions {
  add(files: readonly File[]): Promise<void>;
  show(imageId: string): void;
  /** Another page of the document that a picture is of. */
  turn(from: Added, page: number): Promise<void>;
  remove(imageId: string): void;
  ask(way: Way, question: string): Promise<void>;
  /** Goes on with an answer that was cut. */
  goOn(entry: Entry): Promise<void>;
  compare(before: string, after: string): Promise<void>;
  refused(error: Error): void;
}

/** @param signedOut The server does not know this tab any more. */
export function useTab(server: HttpServer, signedOut: () => void): [State, Actions] {
  const [state, change] = useReducer((now: State, how: Change) => how(now), EMPTY);
  const now = useRef(state);
  now.current = state;
  /** Of each picture, the conversation about it. */
  const sessions = useRef(new Map<string, string>());
  const count = useRef(0);

  const refused = useCallback((error: Error) => {
    if (error instanceof Refusal && error.code === SIGNED_OUT) return signedOut();
    change((old) => ({ ...old, problem: error.message }));
  }, []);

  const run = async (
    entry: Pick<Entry, 'kind' | 'question' | 'images'>,
    tool: ToolName,
    args: () => Record<string, unknown>,
  ): Promise<Outcome | undefined> => {
    const id = ++count.current;
    const stop = new AbortController();
    const update = (how: (entry: Entry) => Entry): void =>
      change((old) => ({ ...old, entries: old.entries.map((one) => (one.id === id ? how(one) : one)) }));
    change((old) => ({
      ...old,
      problem: undefined,
      entries: [...old.entries, { ...entry, id, text: '', stop }],
    }));
    const asked = (): Promise<Outcome> =>
      server.call(tool, args(), {
        signal: stop.signal,
        onText: (text) => update((one) => ({ ...one, text: one.text + text })),
        onProgress: (progress) => update((one) => ({ ...one, progress })),
      });
    try {
      const outcome = await asked().catch((error: Error) => {
        if (!forgotten(error)) throw error;
        // The session has expired, and begins anew with the picture.
        for (const image of entry.images) sessions.current.delete(image);
        return asked();
      });
      const { session_id } = outcome.structured;
      if (entry.kind === 'ask' && session_id) sessions.current.set(entry.images[0]!, session_id);
      update(({ stop: _, progress: _p, ...one }) => ({ ...one, outcome }));
      return outcome;
    } catch (error) {
      if (error instanceof Refusal && error.code === SIGNED_OUT) signedOut();
      const problem = stop.signal.aborted ? 'Cancelled.' : (error as Error).message;
      update(({ stop: _, progress: _p, ...one }) => ({ ...one, problem }));
      return undefined;
    }
  };

  const add = async (file: File, page?: number): Promise<void> => {
    change((old) => ({ ...old, problem: undefined, adding: [...old.adding, file.name] }));
    try {
      const added = await read(server, file, page);
      change((old) => ({
        ...old,
        at: added.imageId,
        pictures: [...old.pictures.filter(({ imageId }) => imageId !== added.imageId), added],
      }));
    } catch (error) {
      refused(error as Error);
    }
    change((old) => ({ ...old, adding: old.adding.filter((name) => name !== file.name) }));
  };

  const actions: Actions = {
    refused,
    async add(files) {
      for (const file of files) await add(file);
    },
    async turn({ document }, page) {
      if (!document) return;
      const known = now.current.pictures.find(
        (one) => one.document?.file === document.file && one.document.page === page,
      );
      if (known) change((old) => ({ ...old, at: known.imageId }));
      else await add(document.file, page);
    },
    show: (imageId) => change((old) => ({ ...old, at: imageId })),
    remove(imageId) {
      change((old) => {
        const pictures = old.pictures.filter((one) => one.imageId !== imageId);
        return { ...old, pictures, at: old.at === imageId ? pictures.at(-1)?.imageId : old.at };
      });
    },
    async ask(way, question) {
      const image = now.current.at;
      if (image === undefined) return;
      const entry = { kind: way, question, images: [image] };
      if (way === 'find')
        return void (await run(entry, 'describe_image', () => ({ image, locate: question })));
      await run(entry, 'chat_with_images', () => ({
        message: question,
        ...addressed(sessions.current, image),
      }));
    },
    async goOn({ images, question }) {
      const session_id = sessions.current.get(images[0]!);
      if (session_id === undefined) return;
      const entry = { kind: 'ask' as const, question: `${question} (continued)`, images };
      await run(entry, 'chat_with_images', () => ({ message: '', session_id }));
    },
    async compare(before, after) {
      const entry = { kind: 'compare' as const, question: 'What changed?', images: [before, after] };
      await run(entry, 'compare_images', () => ({ image_a: before, image_b: after }));
    },
  };
  return [state, actions];
}

function addressed(sessions: ReadonlyMap<string, string>, image: string): Record<string, unknown> {
  const session_id = sessions.get(image);
  return session_id === undefined ? { images: [image] } : { session_id };
}

function forgotten(error: Error): boolean {
  return error instanceof Refusal && ['SESSION_EXPIRED', 'SESSION_NOT_FOUND'].includes(error.code);
}

/** A picture is read at once: its text is there before a question is. */
async function read(server: HttpServer, file: File, page?: number): Promise<Added> {
  const image = await dataOf(file);
  const { structured } = await server.call('ocr', {
    ...{ image, format: 'lines' },
    ...(page !== undefined && { page: String(page) }),
  });
  const { image_id: imageId, width, height, page: at, pages: of } = structured.images[0]!;
  const name = file.name || 'Pasted picture';
  const document = at !== undefined && of !== undefined && of > 1 ? { file, page: at, of } : undefined;
  return {
    ...{ imageId, width, height, lines: structured.lines ?? [] },
    name: document ? `${name}, page ${document.page}` : name,
    ...(document && { document }),
  };
}

/** What answers about a picture alone did not have to wait for, because it had been looked at before: all of them. */
export function savedBy(entries: readonly Entry[], imageId: string): { ms: number; answers: number } {
  const spared = entries
    .filter(({ images }) => images.length === 1 && images[0] === imageId)
    .flatMap(({ outcome }) => outcome?.reuse?.saved_ms ?? []);
  return { ms: spared.reduce((sum, ms) => sum + ms, 0), answers: spared.length };
}

function dataOf(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(new Refusal('IMAGE_UNREADABLE', `${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
}
