// The npm that runs us, on every platform: on Windows `npm` is a script that cannot be started as a program.
import { execFileSync } from 'node:child_process';

const cli = process.env.npm_execpath;

/** @returns what npm printed */
export function npm(args, cwd) {
  const [program, first] = cli ? [process.execPath, [cli]] : ['npm', []];
  return execFileSync(program, [...first, ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}
