// Benchmarks that run one measurement per process, so that peak memory is that of one run.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Runs a script of this folder and reads the JSON object in its last line. */
export function measured<Figures = Record<string, number>>(
  script: string,
  args: Record<string, string | number | true>,
): Figures {
  const flags = Object.entries(args).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, String(value)],
  );
  const file = fileURLToPath(new URL(script, import.meta.url));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), file, ...flags],
    { encoding: 'utf8' },
  );
  const line = stdout.trim().split('\n').at(-1) ?? '';
  if (status !== 0 || !line.startsWith('{')) throw new Error(`${script} failed: ${stderr}`);
  return JSON.parse(line) as Figures;
}
