// The command line as people expect it: help where they ask for it, slips that are named, arguments in either order.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { z } from 'zod';
import { COMMANDS, findCommand } from '../../src/cli/commands.js';
import { helpOf, overview } from '../../src/cli/help.js';
import { given, parted } from '../../src/cli/look.js';
import { spelledAsTools } from '../../src/cli/json-line.js';
import { nearest } from '../../src/cli/nearest.js';
import { engineOptions } from '../../src/cli/open-engine.js';
import { Options } from '../../src/cli/options.js';
import { ProgressBar, progressLine, redrawn, type ProgressStream } from '../../src/cli/progress-bar.js';
import { progressLine as pullLine } from '../../src/cli/pull.js';
import { starterFolder } from '../../src/engine/model-folder.js';
import type { Tool } from '../../src/ask/tool.js';
import { chatWithImages } from '../../tools/chat-with-images.js';
import { compareImages } from '../../tools/compare-images.js';
import { DESCRIPTION_TOKENS } from '../../tools/describe-image.js';
import { ocr } from '../../tools/ocr.js';
import { afterimage } from './command.js';

const LOGIN = join(starterFolder(), 'examples', 'login.png');

test('the overview names every command in its group and fits a terminal', () => {
  for (const { form, about } of Object.values(COMMANDS))
    assert.match(
      overview(),
      new RegExp(`  ${form.split(' ')[0]} .*${about.slice(0, 10).replace(/[()*+?]/g, '.')}`),
    );
  assert.ok(
    overview()
      .split('\n')
      .every((line) => line.length <= 120),
  );
});

for (const [name, command] of Object.entries(COMMANDS)) {
  test(`the help of ${name} has its options and no others`, () => {
    const help = helpOf(command);
    assert.ok(help.startsWith(`afterimage ${command.form}\n`));
    const listed = [...help.matchAll(/^ {2}(?:-., )?--([a-z-]+)/gm)].map(([, option]) => option);
    assert.deepEqual([...listed].sort(), [...command.options, 'help'].sort());
  });
}

test('the help says the defaults that the tools have', () => {
  const most = (tool: Tool) => (tool.input.shape['max_tokens'] as z.ZodDefault).parse(undefined);
  for (const [name, tool] of Object.entries({
    ask: chatWithImages,
    chat: chatWithImages,
    compare: compareImages,
    ocr,
  }))
    assert.match(helpOf(COMMANDS[name]!), new RegExp(`--max-tokens N .*\\(default ${most(tool)}\\)`));
  const { brief, normal, full } = DESCRIPTION_TOKENS;
  assert.match(
    helpOf(COMMANDS['describe']!),
    new RegExp(`--max-tokens N .*default: ${brief}, ${normal} or ${full},`),
  );
});

test('help and version in every spelling', async () => {
  for (const args of [
    ['ocr', '--help'],
    ['help', 'ocr'],
    ['ocr', 'x.png', '-h', '--lines'],
  ])
    assert.equal((await afterimage(args)).stdout, helpOf(COMMANDS['ocr']!));
  for (const args of [['--version'], ['-V']])
    assert.match((await afterimage(args)).stdout, /^\d+\.\d+\.\d+\n$/);
});

describe('slips', () => {
  for (const [typed, meant] of [
    ['descibe', 'describe'],
    ['orc', 'ocr'],
    ['comapre', 'compare'],
    ['doc', 'doctor'],
    ['diff', 'compare'],
  ] as const) {
    test(`${typed} is ${meant}`, () =>
      assert.throws(() => findCommand(typed), { message: new RegExp(`did you mean "${meant}"\\?$`) }));
  }

  test('what is like nothing is not guessed', () => {
    assert.equal(nearest('frobnicate', Object.keys(COMMANDS)), undefined);
    assert.throws(() => findCommand('frobnicate'), { message: /see afterimage --help\.$/ });
    assert.throws(() => findCommand('__proto__'), { message: /see afterimage --help\.$/ });
  });

  test('options too', () => {
    assert.throws(() => new Options(['--max-token', '5']), { message: /did you mean --max-tokens\?$/ });
    assert.throws(() => new Options(['--frobnicate']), { message: /see afterimage COMMAND --help\.$/ });
    const command = { name: 'ocr', ...COMMANDS['ocr']! };
    assert.throws(() => new Options(['--mehtod', 'model'], command), { message: /did you mean --method\?$/ });
    assert.throws(() => new Options(['-z'], command), { message: /option -z; see afterimage ocr --help\.$/ });
    for (const args of [['--find'], ['--find', '--lines'], ['--find', '-x']])
      assert.throws(() => new Options(args, command), {
        message: /^--find needs a value: --find TEXT,.*--help\.$/,
      });
    assert.throws(() => new Options(['--lines=3'], command), {
      message: /^--lines takes no value; see afterimage ocr/,
    });
  });
});

describe('arguments', () => {
  test('the question of ask comes last, or first where that is plain', () => {
    const question = 'What is it?';
    assert.deepEqual(parted([LOGIN, question]), { files: [LOGIN], question });
    assert.deepEqual(parted([question, LOGIN]), { files: [LOGIN], question });
    assert.deepEqual(parted([question, 'latest']), { files: ['latest'], question });
    assert.deepEqual(parted([LOGIN, LOGIN]), { files: [LOGIN], question: LOGIN }, 'not plain');
    assert.deepEqual(parted(['a.png', 'b.png']), { files: ['a.png'], question: 'b.png' });
    assert.deepEqual(
      parted([question, 'a.png', 'b.png']),
      { files: ['a.png', 'b.png'], question },
      'a file that is not there',
    );
    assert.deepEqual(parted(['a.png', 'Is it login.png']), { files: ['a.png'], question: 'Is it login.png' });
    assert.deepEqual(parted([question]), { files: [], question });
    assert.deepEqual(parted([]), { files: [], question: undefined });
  });

  test('standard input is named once', async () => {
    assert.deepEqual(await given(['a', 'b']), ['a', 'b']);
    await assert.rejects(given(['-', '-']), { code: 'INVALID_ARGUMENT', message: /once/ });
  });

  test('a variable that is not set is no file', () =>
    assert.rejects(given(['a.png', ' ']), { code: 'INVALID_ARGUMENT', message: /empty/ }));

  test('options may come before the command, and their values are no commands', async () => {
    assert.match((await afterimage(['--json', 'use'])).stdout, /^\{"model":/);
    const { code, stderr } = await afterimage(['--model', 'use', 'ocr', 'missing.png']);
    assert.equal(code, 2);
    assert.match(stderr, /no model folder|missing\.png does not exist/);
  });

  test('one file that is not there does not keep the others from their turn', async () => {
    const { code, stdout, stderr } = await afterimage(['ocr', 'missing.png', LOGIN]);
    assert.equal(code, 2);
    assert.match(stdout, /^==> missing\.png <==\n==> .*login\.png <==\nMember login\n/);
    assert.equal([...stderr.matchAll(/IMAGE_NOT_FOUND/g)].length, 1, stderr);
    const json = await afterimage(['ocr', 'missing.png', LOGIN, '--json']);
    const [refused, read, ...more] = json.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(refused.error.code, 'IMAGE_NOT_FOUND');
    assert.ok(json.stderr.startsWith(`${refused.error.message} [IMAGE_NOT_FOUND]\n`));
    assert.match(read.answer, /^Member login/);
    assert.deepEqual(more, []);
  });

  for (const [args, message] of [
    [['ocr', LOGIN, '--find', 'x', '--lines'], /leave one out/],
    [['config'], /^Expected: afterimage config claude-desktop\|.*see afterimage config --help/],
    [['config', 'vscod'], /did you mean vscode\?/],
    [['pull'], /see afterimage pull --help/],
    [['proxy'], /see afterimage proxy --help/],
    [['--frobnicate'], /There is no option --frobnicate/],
    [['models', '--remove', 'x'], /`afterimage models` lists/],
  ] as [string[], RegExp][]) {
    test(`${args.slice(0, 1).concat(args.slice(2)).join(' ')} says what to do`, async () => {
      const { code, stdout, stderr } = await afterimage(args);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, message);
    });
  }

  test('an error as JSON has the code and the sentence', async () => {
    const { code, stdout, stderr } = await afterimage(['describe', 'missing.png', '--json']);
    const { error } = JSON.parse(stdout);
    assert.deepEqual([code, error.code], [2, 'IMAGE_NOT_FOUND']);
    assert.equal(stderr, `${error.message} [${error.code}]\n`);
  });
});

describe('progress', () => {
  for (const columns of [undefined, 10, 20, 30, 40, 80, 200]) {
    test(`in ${columns ?? 'unknown'} columns`, () => {
      for (const stage of ['queue', 'load', 'encode', 'prefill'] as const) {
        for (const total of [undefined, 7]) {
          const line = progressLine({ stage, done: 3, total }, columns);
          const drawn = redrawn(line, columns).replace('\r\x1b[2K', '');
          assert.ok(drawn.length < (columns ?? 80), `${drawn.length} columns`);
          assert.doesNotMatch(drawn, /[\r\n\x1b]/);
          if (total && (columns ?? 80) >= 30) assert.match(drawn, /43 %$/);
        }
      }
    });
  }

  const piped = () => {
    const written: string[] = [];
    const stream = { isTTY: false, columns: 0, write: (text: string) => written.push(text) > 0 };
    return { written, bar: new ProgressBar(stream as unknown as ProgressStream) };
  };

  test('a pipe gets a plain line now and then, and none for what is over soon', (t) => {
    t.mock.timers.enable({ apis: ['Date', 'setTimeout'] });
    const { written, bar } = piped();
    for (let done = 0; done <= 100; done++) bar.update({ stage: 'load', done, total: 100 });
    t.mock.timers.tick(1900);
    assert.deepEqual(written, [], 'soon over');
    bar.update({ stage: 'encode', done: 0, total: 1 });
    t.mock.timers.tick(200);
    assert.deepEqual(written, ['Looking at the image 0 %\n'], 'also where nothing more is heard');
    for (let done = 0; done <= 1000; done++) {
      bar.update({ stage: 'prefill', done, total: 1000 });
      t.mock.timers.tick(20);
    }
    assert.ok(written.length >= 4 && written.length <= 6, `${written.length} lines`);
    for (const line of written) assert.match(line, /^[A-Z][a-z ]{3,20} \d+ %\n$/);
    bar.update({ stage: 'queue', done: 0 });
    bar.update({ stage: 'decode', done: 1 });
    t.mock.timers.tick(60_000);
    assert.ok(written.length <= 6, 'an answer needs no progress');
  });

  test('of a download, parts are left out whole where there is no room', () => {
    const half = { file: 'model-00001-of-00002.safetensors', doneBytes: 2e9, totalBytes: 4e9 };
    const fast = { ...half, bytesPerSecond: 1e7, secondsLeft: 200 };
    assert.equal(pullLine(fast, 30), '50 %  2.0 of 4.0 GB');
    assert.equal(pullLine(fast, 50), '50 %  2.0 of 4.0 GB  10.0 MB/s  4 min left');
  });

  test('what is piped holds no control characters', async () => {
    const { stderr } = await afterimage(['ocr', 'missing.png']);
    assert.doesNotMatch(stderr, /[\r\x1b]/);
  });
});

test('every command that says something says it as JSON too, in the words of the tools’ results', () => {
  for (const [name, { options }] of Object.entries(COMMANDS))
    assert.equal(options.includes('json'), !['mcp', 'serve', 'proxy'].includes(name), name);
  assert.deepEqual(spelledAsTools({ modelType: 'm', rows: [{ usedAt: 1 }, null, 'aB'] }), {
    model_type: 'm',
    rows: [{ used_at: 1 }, null, 'aB'],
  });
});

test('more threads than cores are refused', () => {
  assert.throws(() => engineOptions(new Options(['--threads', '4096'])), {
    code: 'INVALID_ARGUMENT',
    message: /more than this machine has cores \(\d+\); leave it out/,
  });
  assert.equal(engineOptions(new Options(['--threads', '1', '--no-disk-cache'])).threads, 1);
});
