// Runs the command line as a person does.
import { spawn } from 'node:child_process';
import { built } from '../built.js';

const MAIN = built();

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export function afterimage(
  args: string[],
  options: {
    cwd?: string;
    /** Ctrl-C as soon as it says something. */
    interrupt?: boolean;
    env?: NodeJS.ProcessEnv;
    input?: string | Uint8Array;
  } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.stdin.on('error', () => {});
    child.stdin.end(options.input);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
    if (options.interrupt) child.stdout.once('data', () => child.kill('SIGINT'));
  });
}
