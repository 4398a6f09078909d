// Names as people, shells, models and macOS write them: each finds the one file it can mean, and never another.
import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createImageContext, loadImage, type ImageContext } from '../../src/image/load.js';
import { readings, spelled, unwrapped } from '../../src/image/spelling.js';
import { encode, noise } from './pictures.js';

interface Cases {
  cases: { on_disk: string; asked: string }[];
  whole_reference: { asked: string }[];
}

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`./fixtures/cases/${name}`, import.meta.url), 'utf8')) as unknown;
const { cases, whole_reference } = read('paths.json') as Cases;
const dataUris = read('data-uris.json') as { expected_rgb_sha256: string; cases: Record<string, string> };

const top = realpathSync(mkdtempSync(join(tmpdir(), 'naming-')));
after(() => rmSync(top, { recursive: true }));
let made = 0;

/** A folder of its own with the named files, each with pixels of its own, and the context that allows it. */
async function folderOf(...names: string[]): Promise<{ folder: string; context: ImageContext }> {
  const folder = join(top, String(made++));
  mkdirSync(folder);
  for (const name of names) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), await encode(noise(8, 6, name), 'png'));
  }
  return { folder, context: createImageContext({ folders: [folder] }) };
}

/** Which of the files the reference led to. */
async function leadsTo(reference: string, context: ImageContext): Promise<string> {
  return (await loadImage(reference, context)).name;
}

describe('one file of that name, spelled otherwise', () => {
  const more = [
    {
      on_disk: 'Bildschirmfoto 2026-05-12 um 16.42.48\u00a0.png',
      asked: 'Bildschirmfoto 2026-05-12 um 16.42.48 .png',
    },
    { on_disk: 'スクリーンショット\u30002026.png', asked: 'スクリーンショット 2026.png' },
    { on_disk: 'a\u2009b\u2003c.png', asked: 'a b c.png' },
    { on_disk: 'c\u2019est.png', asked: "c'est.png" },
    { on_disk: 'Zürich.png'.normalize('NFD'), asked: 'Zürich.png'.normalize('NFC') },
    { on_disk: 'Zürich.png'.normalize('NFC'), asked: 'Zürich.png'.normalize('NFD') },
    { on_disk: 'a\u200eb.png', asked: 'ab.png' },
    { on_disk: '50% off.png', asked: '50%25%20off.png' },
    { on_disk: 'Fotos é/b c.png'.normalize('NFD'), asked: 'Fotos\\ é/b\\ c.png'.normalize('NFC') },
    { on_disk: 'x & y $(1).png', asked: 'x\\ \\&\\ y\\ \\$\\(1\\).png' },
  ];
  for (const { on_disk, asked } of [...cases, ...more]) {
    test(JSON.stringify(asked), async () => {
      const { folder, context } = await folderOf(on_disk, 'another.png');
      assert.equal(await leadsTo(`${folder}/${asked}`, context), join(folder, on_disk));
      assert.equal(await leadsTo(asked, context), join(folder, on_disk), 'relative');
      const everywhere = createImageContext({ folders: 'everywhere', cwd: folder });
      assert.equal(await leadsTo(asked, everywhere), join(folder, on_disk), 'on the command line');
    });
  }

  test('in a file URL', async () => {
    const { folder, context } = await folderOf('a\u202fb.png', '100%.png');
    for (const asked of [
      `file://${folder}/a%20b.png`,
      `file://${folder}/a b.png`,
      `<file://${folder}/a b.png>`,
    ])
      assert.equal(await leadsTo(asked, context), join(folder, 'a\u202fb.png'));
    assert.equal(await leadsTo(`file://${folder}/100%.png`, context), join(folder, '100%.png'));
  });

  test('when it is the allowed folder that is spelled otherwise', async () => {
    const { folder } = await folderOf('Meine\u00a0Bilder/a.png');
    const context = createImageContext({ folders: [join(folder, 'Meine\u00a0Bilder')] });
    assert.match(await leadsTo(`${folder}/Meine Bilder/a.png`, context), /a\.png$/);
  });
});

describe('named from elsewhere', () => {
  const names = ['login.png', 'My Shot.png', 'a&b.png', 'sub dir/x.png', '#1.png', 'in\u202fbetween.png'];
  let D: string;
  let context: ImageContext;
  before(async () => ({ folder: D, context } = await folderOf(...names)));
  for (const [asked, file = 'login.png'] of [
    ['file://localhost/D/login.png'],
    ['file://127.0.0.1/D/login.png'],
    ['file:///D/login.png?raw=true'],
    ['file:///D/#1.png', '#1.png'],
    ['vscode-file://vscode-app/D/login.png'],
    ['vscode-remote://wsl+Ubuntu/D/login.png'],
    ['sandbox:/D/login.png'],
    ['computer:///D/login.png'],
    ['\\\\wsl$\\Ubuntu\\D\\login.png'],
    ['//wsl.localhost/Ubuntu/D/sub dir/x.png', 'sub dir/x.png'],
    ['/D\\sub dir\\x.png', 'sub dir/x.png'],
    ['sub dir\\x.png', 'sub dir/x.png'],
    ['.\\login.png'],
    ['./login.png'],
    ['BASE/login.png'],
    ['![shot](/D/login.png)'],
    ['[shot](file:///D/login.png)'],
    ['<img src="/D/login.png" alt="x">'],
    ['(/D/login.png)'],
    ['[/D/login.png]'],
    ['path: /D/login.png'],
    ['file=/D/login.png'],
    ['#file:/D/login.png'],
    ['@file:/D/login.png'],
    ['@"/D/login.png"'],
    ['„/D/login.png“'],
    ['‹/D/login.png›'],
    ['「/D/login.png」'],
    ['\\"/D/login.png\\"'],
    ['"/D/login.png'],
    ['/D/login.png"'],
    ['/D/login.png.'],
    ['/D/login.png,'],
    ['/D/login.png:12'],
    ['/D/login.png\\n'],
    ['\u202a/D/login.png\u202c'],
    ['\u200b/D/login.png'],
    ['/D/LOGIN.PNG'],
    ['/D/My+Shot.png', 'My Shot.png'],
    ['/D/a&amp;b.png', 'a&b.png'],
    ['/D/in\\u202fbetween.png', 'in\u202fbetween.png'],
  ] as [string, string?][]) {
    test(JSON.stringify(asked), async () => {
      const base = D.split('/').at(-1)!;
      const reference = asked
        .replace('BASE', base)
        .replace('\\D\\', `${D.replaceAll('/', '\\')}\\`)
        .replace('/D', D);
      assert.equal(await leadsTo(reference, context), join(D, file));
    });
  }

  test('the home folder in every spelling, judged by the policy', async () => {
    const own = userInfo().username;
    for (const home of ['~', `~${own}`, '$HOME', '${HOME}', '%USERPROFILE%', 'file://~'])
      await assert.rejects(loadImage(`${home}/none.png`, context), {
        code: 'PATH_NOT_ALLOWED',
        message: new RegExp(`^${homedir()}/none.png|^~/none.png`),
      });
  });
});

describe('which file', () => {
  test('another case is looked for only where nothing is spelled closer', async () => {
    const { folder, context } = await folderOf('a b.png', 'A B.png', 'c.png', 'C.png');
    assert.equal(await leadsTo(`${folder}/a\u00a0b.png`, context), join(folder, 'a b.png'));
    assert.equal(await leadsTo(`${folder}/C.png`, context), join(folder, 'C.png'));
    await assert.rejects(loadImage(`${folder}/A+b.png`, context), {
      code: 'IMAGE_NOT_FOUND',
      message: / or /,
    });
  });

  test('the exact name wins', async () => {
    const names = ['a b.png', 'a\u00a0b.png', 'a%20b.png', 'a\\ b.png', ' a b.png'];
    const { folder, context } = await folderOf(...names);
    for (const name of names) assert.equal(await leadsTo(`${folder}/${name}`, context), join(folder, name));
  });

  test('two candidates are none, and the answer names both', async () => {
    const { folder, context } = await folderOf('a\u00a0b.png', 'a\u202fb.png');
    await assert.rejects(loadImage(`${folder}/a b.png`, context), {
      code: 'IMAGE_NOT_FOUND',
      message: /a\u00a0b\.png.* or .*a\u202fb\.png.*exact path/,
    });
  });

  test('a relative path that two allowed folders have is none', async () => {
    const [one, two] = [await folderOf('a.png'), await folderOf('a.png', 'b.png')];
    const context = createImageContext({ folders: [one.folder, two.folder] });
    await assert.rejects(loadImage('a.png', context), { code: 'IMAGE_NOT_FOUND', message: / or / });
    assert.equal(await leadsTo('b.png', context), join(two.folder, 'b.png'));
    await assert.rejects(loadImage('c.png', context), { code: 'IMAGE_NOT_FOUND', message: /absolute path/ });
  });

  test('the policy judges what is found', async () => {
    const { folder: outside } = await folderOf('a\u00a0b.png');
    const { folder, context } = await folderOf('sub/c.png');
    symlinkSync(outside, join(folder, 'link\u00a0out'));
    symlinkSync(join(outside, 'a\u00a0b.png'), join(folder, 'x\u00a0y.png'));
    await assert.rejects(loadImage(`${outside}/a b.png`, context), { code: 'PATH_NOT_ALLOWED' });
    await assert.rejects(loadImage(`${folder}/link out/a b.png`, context), { code: 'IMAGE_NOT_FOUND' });
    await assert.rejects(loadImage(`${folder}/x y.png`, context), { code: 'PATH_NOT_ALLOWED' });
    await assert.rejects(loadImage(`${folder}/%2e%2e/${outside.split('/').at(-1)}/a b.png`, context), {
      code: /IMAGE_NOT_FOUND|PATH_NOT_ALLOWED/,
    });
  });
});

describe('what a reference is wrapped in', () => {
  let picture: Awaited<ReturnType<typeof folderOf>>;
  let id: string;
  before(async () => {
    picture = await folderOf('my shot (1).png', 'login.png');
    id = (await loadImage(`${picture.folder}/login.png`, picture.context)).imageId;
  });
  const asked = whole_reference.map(({ asked }) => asked).filter((text) => !text.includes('img_'));
  const more = ['“/dir/login.png”', "'@/dir/login.png'", '@login.png', '"login.png"', '\n`/dir/login.png`\n'];
  for (const text of [...asked, ...more]) {
    test(JSON.stringify(text), async () => {
      const found = await leadsTo(text.replace('/dir', picture.folder), picture.context);
      assert.equal(found, join(picture.folder, /my shot/.test(text) ? 'my shot (1).png' : 'login.png'));
    });
  }

  test('an image_id and our own address of it', async () => {
    for (const text of [
      id,
      `${id}\n`,
      ` ${id} `,
      `"${id}"`,
      `afterimage://image/${id}`,
      `<afterimage://image/${id}>`,
    ])
      assert.equal((await loadImage(text, picture.context)).imageId, id, text);
    await assert.rejects(loadImage('afterimage://image/img_12', picture.context), { code: 'UNKNOWN_IMAGE' });
  });
});

describe('image data', () => {
  for (const [what, reference] of Object.entries(dataUris.cases)) {
    test(what, async () => {
      const { width, height } = await loadImage(reference, createImageContext({ folders: [] }));
      assert.deepEqual([width, height], [448, 96]);
    });
  }

  test('other formats without anything around them', async () => {
    for (const format of ['jpeg', 'webp', 'gif', 'avif', 'tiff'] as const) {
      const bytes = await encode(noise(40, 30), format);
      for (const text of [
        bytes.toString('base64'),
        bytes.toString('base64url'),
        ` ${bytes.toString('base64')}\n`,
      ])
        assert.equal((await loadImage(text, createImageContext({ folders: [] }))).width, 40, format);
    }
  });

  test('a path that looks like base64 stays a path', async () => {
    await assert.rejects(loadImage(`/9j/${'a'.repeat(20)}`, createImageContext({ folders: [top] })), {
      code: 'PATH_NOT_ALLOWED',
    });
  });
});

test('readings, spellings and wrappings on their own', () => {
  assert.deepEqual(readings('/a\\ b%20c', true), ['/a\\ b%20c', '/a b%20c', '/a/ b%20c', '/a\\ b c']);
  assert.deepEqual(readings('/100%', true), ['/100%']);
  assert.deepEqual(readings('C:\\a', false), ['C:\\a']);
  assert.deepEqual(readings('/a%00', true), ['/a%00']);
  assert.equal(spelled(' e\u0301\u202fb '), '\u00e9 b');
  assert.equal(unwrapped(' @"<a b>" '), 'a b');
  assert.equal(unwrapped('"'), '"');
});
