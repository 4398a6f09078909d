// Programs that a test starts, each of which must have ended when it does.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { RemoteEngine } from '../../src/engine/remote/remote-engine.js';
import { SMALL_MODEL } from './small-model.js';
import { built } from '../built.js';

const MAIN = built();

export class Children {
  readonly #cache: string;
  readonly #pids: number[] = [];

  /** @param cache In which they keep what they keep. */
  constructor(cache: string) {
    this.#cache = cache;
  }

  get started(): number {
    return this.#pids.length;
  }

  start(args: string[]): ChildProcess {
    const child = spawn(process.execPath, args, {
      stdio: ['pipe', 'ignore', 'inherit'],
      env: { ...process.env, XDG_CACHE_HOME: this.#cache },
    });
    this.#pids.push(child.pid!);
    return child;
  }

  /** A resident engine that answers, with so little room that much is evicted and read again from disk. */
  async serve(path: string): Promise<ChildProcess> {
    const settings = ['--model', SMALL_MODEL, '--threads', '1', '--kv-gb', '0.01', '--socket', path];
    const child = this.start([MAIN, 'serve', ...settings]);
    const client = new RemoteEngine(path);
    for (let answers = false; !answers;) {
      assert.equal(child.exitCode, null, 'the engine ended');
      answers = await client.ready().then(
        () => true,
        () => false,
      );
      if (!answers) await sleep(100);
    }
    await client.close();
    return child;
  }

  /** Those that run still. */
  left(): number[] {
    return this.#pids.filter((pid) => existsSync(`/proc/${pid}`));
  }
}
