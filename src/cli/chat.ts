// afterimage chat: questions from stdin, one a line, put to chat_with_images in one session until stdin ends.
import { createInterface } from 'node:readline';
import { lookAt } from '../ask/look.js';
import type { Tool } from '../ask/tool.js';
import type { AfterimageError } from '../errors.js';
import type { Options } from './options.js';
import { Terminal } from './terminal.js';
import { usage } from './told.js';

export async function chat(options: Options, signal: AbortSignal): Promise<void> {
  const files = options.positionals;
  if (files.length === 0) throw usage('afterimage chat FILE...');
  await Terminal.use(options, signal, { images: files, model: true }, async (terminal) => {
    const { chatWithImages } = await import('../../tools/chat-with-images.js');
    const pictures = await lookAt(
      terminal.call,
      files.map((image) => ({ image })),
    );
    await terminal.call.engine.warm(
      pictures.map(({ input }) => input),
      signal,
    );
    const session = new Chat(
      terminal,
      chatWithImages,
      pictures.map(({ imageId }) => imageId),
    );
    signal.throwIfAborted();
    for await (const line of questions(signal)) await session.say(line.trim());
    signal.throwIfAborted();
    if (session.refused) throw session.refused;
  });
}

/** One conversation of a person with the tool. */
class Chat {
  /** The last error; the lines after it had their turn all the same. */
  refused: AfterimageError | undefined;
  readonly #terminal: Terminal;
  readonly #tool: Tool;
  readonly #images: string[];
  #sessionId: string | undefined;
  #truncated = false;

  constructor(terminal: Terminal, tool: Tool, images: string[]) {
    this.#terminal = terminal;
    this.#tool = tool;
    this.#images = images;
  }

  /** An empty line continues an answer that was cut; what cannot be answered leaves the conversation as it was. */
  async say(message: string): Promise<void> {
    if (message === '' && !this.#truncated) return;
    const where = this.#sessionId === undefined ? { images: this.#images } : { session_id: this.#sessionId };
    try {
      const { session_id, truncated } = await this.#terminal.show(this.#tool, { message, ...where });
      this.#sessionId = session_id;
      this.#truncated = truncated;
      if (truncated) process.stderr.write('The answer was cut; an empty line continues it.\n');
    } catch (error) {
      this.refused = this.#terminal.told(error);
    }
  }
}

async function* questions(signal: AbortSignal): AsyncGenerator<string> {
  const input = createInterface({
    input: process.stdin,
    output: process.stdin.isTTY ? process.stderr : undefined,
    prompt: '> ',
  });
  signal.addEventListener('abort', () => input.close(), { once: true });
  // On a terminal readline takes Ctrl-C for itself.
  input.on('SIGINT', () => process.emit('SIGINT'));
  input.prompt();
  for await (const line of input) {
    yield line;
    input.prompt();
  }
}
