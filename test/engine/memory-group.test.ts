// A real control group: a process in it is told what the group leaves, and a model that does not fit is refused instead
// of the process being killed. Needs the right to make one (version 1 or 2), as root of a machine has it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { built, program } from '../built.js';

const MIB = 2 ** 20;
const LIMIT = 220 * MIB;
const ROOT = join(import.meta.dirname, '../..');
const MOUNT = '/sys/fs/cgroup';

/** A group of LIMIT bytes below this process's own; why not, where there can be none. */
function makeGroup(): { group: string } | { refused: string } {
  const listed = existsSync('/proc/self/cgroup') ? readFileSync('/proc/self/cgroup', 'utf8') : '';
  const one = /^\d+:(?:[^:\n]+,)?memory(?:,[^:\n]+)?:(.+)$/m.exec(listed)?.[1];
  const two = /^0::(.+)$/m.exec(listed)?.[1];
  const [above, limit] =
    one === undefined
      ? [join(MOUNT, two ?? '/'), 'memory.max']
      : [join(MOUNT, 'memory', one), 'memory.limit_in_bytes'];
  const group = join(
    existsSync(above) ? above : join(MOUNT, one === undefined ? '' : 'memory'),
    `afterimage-${process.pid}`,
  );
  try {
    mkdirSync(group);
    writeFileSync(join(group, limit), String(LIMIT));
    return { group };
  } catch (error) {
    if (existsSync(group)) rmdirSync(group);
    return { refused: `no control group can be made in ${dirname(group)}: ${(error as Error).message}` };
  }
}

const made = makeGroup();
const skip = 'refused' in made ? made.refused : false;
const group = 'group' in made ? made.group : '';
after(() => {
  if (group) rmdirSync(group);
});

/** Runs Node.js inside the group. */
function inside(...args: string[]): Promise<{ stdout: string }> {
  const enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"';
  return promisify(execFile)('/bin/sh', ['-c', enter, group, process.execPath, ...args], { cwd: ROOT });
}

test('a process is told the limit of its group, and what the group leaves', { skip }, async () => {
  const text = `import { usableMemory } from '../../src/engine/usable-memory.ts';
    const taken = Buffer.alloc(${20 * MIB}, 1);
    console.log(JSON.stringify({ ...usableMemory(), taken: taken.length }));`;
  const { stdout } = await inside(...program(import.meta.url, text));
  const { limit, free } = JSON.parse(stdout) as { limit: number; free: number };
  assert.ok(Math.abs(limit - LIMIT) < MIB, String(limit));
  assert.ok(free < LIMIT - 20 * MIB && free > 0, String(free));
});

test('a model that does not fit in the group is refused, and nothing is killed', { skip }, async () => {
  const run = inside(built(), 'describe', 'models/starter/examples/login.png', '--kv-gb', '1');
  await assert.rejects(run, (error: { code?: unknown; signal?: unknown; stderr?: string }) => {
    assert.equal(error.signal, null);
    assert.equal(error.code, 2, error.stderr);
    assert.match(error.stderr ?? '', /of memory .* are left/s);
    return true;
  });
});
