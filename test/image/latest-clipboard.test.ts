// "latest" and "clipboard": what they lead to, on every system, and what is said when there is nothing.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { clipboardPicture, type Desktop } from '../../src/image/clipboard.js';
import { latestPicture, screenshotFolders } from '../../src/image/latest.js';
import { createImageContext, loadImage } from '../../src/image/load.js';
import { encode, noise } from './pictures.js';

const top = mkdtempSync(join(tmpdir(), 'latest-'));
after(() => rmSync(top, { recursive: true }));
const png = await encode(noise(9, 7), 'png');

function save(name: string, minute: number, bytes: Uint8Array = png): string {
  const path = join(top, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, bytes);
  utimesSync(path, 1e9, 1e9 + minute * 60);
  return path;
}

describe('latest', () => {
  const folder = join(top, 'a');
  const context = createImageContext({ folders: [folder, join(top, 'b'), join(top, 'missing')] });

  test('the newest picture of the allowed folders and of screenshot folders in them', async () => {
    await assert.rejects(loadImage('latest', context), { code: 'IMAGE_NOT_FOUND', message: /no picture in/ });
    const first = save('a/one.png', 1);
    assert.equal(await latestPicture([folder]), first);
    const second = save('b/Screenshots/two.JPG', 2);
    save('a/three.txt', 3);
    save('a/sub/four.png', 4);
    save('elsewhere/five.png', 5);
    assert.equal((await loadImage(' "latest"\n', context)).name, second);
    save('a/one.png', 9);
    assert.equal((await loadImage('latest', context)).name, first, 'it is looked for anew');
  });

  test('a link to outside is judged by where it leads', async () => {
    symlinkSync(save('elsewhere/six.png', 99), join(folder, 'link.png'));
    await assert.rejects(loadImage('latest', context), { code: 'PATH_NOT_ALLOWED' });
    rmSync(join(folder, 'link.png'));
  });

  test('at a terminal, a file of that name comes first, then where systems put screenshots', async () => {
    const cwd = join(top, 'cwd');
    const named = save('cwd/latest', 1);
    const terminal = createImageContext({ folders: 'everywhere', cwd });
    assert.equal((await loadImage('latest', terminal)).name, named);
    assert.deepEqual(screenshotFolders('/w', '/h', { XDG_PICTURES_DIR: '/p' }), [
      '/w',
      '/p',
      '/h/Desktop',
      '/h/Pictures',
      '/h/OneDrive/Pictures',
    ]);
  });
});

describe('clipboard', () => {
  const none = () => Promise.reject(Object.assign(new Error('1'), { code: 1 }));
  const desktops: [what: string, platform: NodeJS.Platform, env: NodeJS.ProcessEnv, run: Desktop['run']][] = [
    [
      'macOS',
      'darwin',
      {},
      async (program) => {
        assert.equal(program, 'osascript');
        return Buffer.from(`«data PNGf${png.toString('hex').toUpperCase()}»\n`);
      },
    ],
    ['Windows', 'win32', {}, async () => Buffer.from(`${png.toString('base64')}\r\n`)],
    [
      'WSL',
      'linux',
      { WSL_DISTRO_NAME: 'Ubuntu', WAYLAND_DISPLAY: 'wayland-0' },
      async (program) => {
        assert.equal(program, 'powershell.exe');
        return Buffer.from(png.toString('base64'));
      },
    ],
    [
      'Wayland',
      'linux',
      { WAYLAND_DISPLAY: 'wayland-0' },
      async (program, args) => {
        assert.equal(program, 'wl-paste');
        return args.includes('--list-types') ? Buffer.from('text/html\nimage/bmp\nimage/png\n') : png;
      },
    ],
    [
      'X11',
      'linux',
      { DISPLAY: ':0' },
      async (program, args) => {
        assert.equal(program, 'xclip');
        return args.at(-1) === 'TARGETS' ? Buffer.from('TARGETS\nimage/png\n') : png;
      },
    ],
  ];

  for (const [what, platform, env, run] of desktops) {
    test(what, async () => {
      assert.deepEqual(Buffer.from(await clipboardPicture({ platform, env, run })), png);
      await assert.rejects(clipboardPicture({ platform, env, run: none }), { code: 'IMAGE_NOT_FOUND' });
      await assert.rejects(clipboardPicture({ platform, env, run: async () => Buffer.from('') }), {
        code: 'IMAGE_NOT_FOUND',
      });
      const missing = () => Promise.reject(Object.assign(new Error('x'), { code: 'ENOENT' }));
      await assert.rejects(clipboardPicture({ platform, env, run: missing }), {
        code: 'CLIPBOARD_FAILED',
        message: /path\.$/,
      });
    });
  }

  test('an agent needs the permission of whoever started the server', async () => {
    await assert.rejects(loadImage('clipboard', createImageContext({ folders: [top] })), {
      code: 'CLIPBOARD_NOT_ALLOWED',
      message: /--allow-clipboard/,
    });
  });
});
