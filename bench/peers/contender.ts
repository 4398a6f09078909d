// An engine in a process of its own that loads once and is then asked line by line, so that several can take turns.
// peers/ours.ts and peers/native/driver.cpp answer the same commands:
//   prefill N            reads N tokens that were never seen
//   hold S N             reads N tokens for each of S sessions and keeps them
//   decode STEPS S       STEPS greedy tokens of each of the first S that are held
//   question N           to the first token of an answer to N tokens behind what the first session holds
//   image WIDTH HEIGHT   a picture that was never seen, through preprocessing and vision encoder
//   peak                 the most memory that the process has had so far
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';

/** Milliseconds of clock and of processor; tokens that were read, written or made of a picture. */
export interface Sample {
  ms: number;
  cpu: number;
  tokens: number;
}

export class Contender {
  /** What loading took. */
  loaded!: Sample;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  #errors = '';

  private constructor(command: string, args: string[]) {
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdin!.on('error', () => {}); // it has ended: the missing answer says so
    this.#child.stderr!.on('data', (data: Buffer) => (this.#errors += data.toString()));
    this.#reader = createInterface(this.#child.stdout!);
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  static async start(command: string, args: string[]): Promise<Contender> {
    const contender = new Contender(command, args);
    contender.loaded = await contender.#answer<Sample>('load');
    return contender;
  }

  async ask(command: string): Promise<Sample> {
    this.#child.stdin!.write(`${command}\n`);
    return this.#answer<Sample>(command);
  }

  /** MB */
  async peak(): Promise<number> {
    this.#child.stdin!.write('peak\n');
    return (await this.#answer<{ mb: number }>('peak')).mb;
  }

  async close(): Promise<void> {
    this.#child.stdin!.end();
    await this.#ended();
    this.#reader.close();
  }

  async #ended(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
  }

  async #answer<T>(command: string): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) {
      await this.#ended();
      throw new Error(
        `${this.#child.spawnfile} ended (${this.#child.signalCode ?? this.#child.exitCode}) at "${command}": ${this.#errors.slice(-2000)}`,
      );
    }
    return JSON.parse(value) as T;
  }
}
