// The page in Chromium: a picture dropped, asked about, compared, a question cancelled, another model, light and dark.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { OpenDoor } from '../http/doors.js';
import { box, pdfFile } from '../image/pdf-files.js';
import { draw, pictureFolder } from '../mcp/pictures.js';
import type { ScriptedEngine } from '../mcp/scripted-engine.js';
import { faults, launch, withoutBrowser } from './browser.js';
import { hosted } from './host.js';
import { drop, MODELS, openPage, signedIn } from './page.js';

const folder = pictureFolder();
const picture = (name: string): Buffer => readFileSync(`${folder}/${name}.png`);

describe('the page', { skip: withoutBrowser() }, () => {
  let browser: Browser;
  let opened: OpenDoor;
  let page: Page;
  let complaints: string[];
  const engines: ScriptedEngine[] = [];

  before(async () => {
    const button = { x: 40, y: 60, width: 60, height: 24 };
    await draw(`${folder}/before.png`, '#ffffff', [{ ...button, color: '#cc0000' }]);
    await draw(`${folder}/after.png`, '#ffffff', [{ ...button, color: '#0000cc' }]);
    [browser, opened] = await Promise.all([launch(), openPage(engines)]);
    ({ page, complaints } = await signedIn(browser, opened));
  });
  after(async () => {
    await browser?.close();
    await opened?.close();
  });

  const ask = async (question: string): Promise<void> => {
    await page.getByPlaceholder('What do you want to know?').fill(question);
    await page.getByPlaceholder('What do you want to know?').press('Enter');
  };
  const answers = () => page.getByRole('list', { name: 'Questions and answers' });

  test('what its link says is gone from the address, and works once', async () => {
    assert.equal(new URL(page.url()).hash, '');
    const link = opened.link();
    const first = await browser.newPage();
    await first.goto(link);
    await first.getByText('Drop a picture here.').waitFor();
    const second = await browser.newPage();
    await second.goto(link);
    await second.getByText('That link was used before').waitFor();
    await Promise.all([first.close(), second.close()]);
  });

  test('the token signs in, a wrong one does not', async () => {
    const tab = await browser.newPage();
    await tab.goto(opened.url);
    await tab.getByLabel('Token').fill('wrong'.repeat(10));
    await tab.getByRole('button', { name: 'Sign in' }).click();
    await tab.getByText('That is not the token of this server.').waitFor();
    await tab.getByLabel('Token').fill(opened.token);
    await tab.getByRole('button', { name: 'Sign in' }).click();
    await tab.getByText('Drop a picture here.').waitFor();
    await tab.getByRole('button', { name: 'Sign out' }).click();
    await tab.getByLabel('Token').waitFor();
    await tab.close();
  });

  test('a dropped picture is shown with the text that is read in it', async () => {
    await drop(page, 'before.png', picture('before'));
    await page.getByRole('img', { name: 'before.png' }).waitFor();
    assert.equal(await page.locator('svg .mark.line rect').count(), 3);
    await page.getByRole('radio', { name: 'Text' }).check();
    assert.equal(await page.locator('svg text', { hasText: 'First line' }).count(), 1);
    await page.getByText('3 lines of text').click();
    await page.getByRole('listitem').filter({ hasText: 'Second [?] line' }).waitFor();
  });

  test('a question is answered, and the next one says what was reused', async () => {
    await ask('What is this?');
    await answers().getByText('You asked: What is this? (after 0 answers)').waitFor();
    await answers().getByText('Seen for the first time').waitFor();
    await ask('And that?');
    await answers().getByText('You asked: And that? (after 1 answers)').waitFor();
    await answers()
      .getByText(/64 of 80 tokens from memory/)
      .waitFor();
    await page.getByText(/Looked at once: .+ saved in 1 answer$/).waitFor();
  });

  test('the prefix tree is what the engine holds: what it evicts goes, what lies on disk only says so', async () => {
    const branch = page
      .getByRole('list', { name: 'Prompts by what they begin with' })
      .getByRole('listitem')
      .filter({ hasNotText: '16 tokens', hasText: 'before.png' });
    await branch.getByText(/^64 tokens · .+ · also on disk$/).waitFor();
    await branch.locator('img').waitFor();
    engines[0]!.evict();
    await branch.getByText(/ · on disk only$/).waitFor();
    assert.equal(await branch.count(), 1);
  });

  test('a question that runs is shown to everyone who watches, and is cancelled', async () => {
    await ask('words take 200 ms, count to 50');
    await answers().getByText('1 2').waitFor();
    await page.getByRole('list', { name: 'Calls' }).getByText('Question').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await answers().getByText('Cancelled.').waitFor();
    await page.getByText('Nothing is being asked.').waitFor();
    assert.deepEqual(opened.app.activity.list(), []);
  });

  test('a place is found and numbered in the picture', async () => {
    await page.getByRole('radio', { name: 'Find' }).check();
    await page.getByPlaceholder(/What are you looking for/).fill('First line');
    await page.getByRole('button', { name: 'Find', exact: true }).click();
    await answers()
      .getByText(/found by the reader/)
      .waitFor();
    assert.equal(await page.locator('svg .mark.place .number').count(), 1);
    await page.getByRole('radio', { name: 'Ask' }).check();
  });

  test('two pictures are compared, and the edge between them moves by the arrow keys', async () => {
    await drop(page, 'after.png', picture('after'));
    await page.getByRole('radio', { name: 'Compare' }).check();
    await page.getByRole('button', { name: 'Compare', exact: true }).click();
    await answers()
      .getByText(/The button is red instead of blue/)
      .waitFor();
    await page.getByText(/% changed$/).waitFor();
    assert.ok((await page.locator('.slider .mark.change').count()) > 0);
    const edge = page.getByRole('slider', { name: 'Edge between before and after' });
    await edge.focus();
    await edge.press('ArrowRight');
    assert.equal(await edge.getAttribute('aria-valuetext'), '51 % before, 49 % after');
    assert.match((await page.getByRole('img', { name: /^After/ }).getAttribute('style')) ?? '', /51%/);
  });

  test('another model answers once it is chosen', async () => {
    await page.getByLabel('Model', { exact: true }).selectOption(MODELS[1]!);
    await page.getByRole('radio', { name: 'Look' }).check();
    await ask('Who are you?');
    await answers()
      .getByText(/You asked: Who are you\?/)
      .waitFor();
    const states = Object.fromEntries(opened.models.list().map(({ name, state }) => [name, state]));
    assert.equal(states[MODELS[1]!], 'ready');
    await page.getByRole('list', { name: 'Models', exact: true }).getByText('answers').waitFor();
  });

  test('of a dropped document each page is a picture, chosen by its number or the next one', async () => {
    const shades = [0.2, 0.5, 0.8];
    const bytes = pdfFile(
      shades.map((shade) => ({ mediaBox: [0, 0, 60, 40], content: box([shade, 0, shade], 0, 0, 60, 40) })),
    );
    await drop(page, 'report.pdf', bytes, { type: 'application/pdf', shown: 'report.pdf, page 1' });
    const pages = page.getByRole('form', { name: 'Pages of the document' });
    await pages.getByText('of 3').waitFor();
    assert.ok(await pages.getByRole('button', { name: 'Previous page' }).isDisabled());
    await pages.getByRole('button', { name: 'Next page' }).click();
    await page.getByRole('img', { name: 'report.pdf, page 2' }).waitFor();
    await pages.getByLabel('Page').fill('3');
    await pages.getByLabel('Page').press('Enter');
    await page.getByRole('img', { name: 'report.pdf, page 3' }).waitFor();
    assert.ok(await pages.getByRole('button', { name: 'Next page' }).isDisabled());
    await pages.getByRole('button', { name: 'Previous page' }).click();
    await page.getByRole('img', { name: 'report.pdf, page 2' }).waitFor();
    const strip = page.getByRole('navigation', { name: 'Pictures' });
    assert.equal(await strip.getByRole('button', { name: /^report\.pdf, page \d$/ }).count(), 3);
  });

  test('a picture that cannot be read says why', async () => {
    const file = { name: 'notes.png', mimeType: 'image/png', buffer: Buffer.from('no picture at all') };
    await page.locator('input[type=file]').first().setInputFiles(file);
    await page
      .getByRole('alert')
      .filter({ hasText: /picture|image|recogni/i })
      .waitFor();
  });

  for (const colorScheme of ['light', 'dark'] as const)
    test(`axe finds nothing, ${colorScheme}`, async () => {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await faults(page), []);
      await page.getByRole('radio', { name: 'Compare' }).check();
      assert.deepEqual(await faults(page), []);
      await page.getByRole('radio', { name: 'Look' }).check();
      const fresh = await browser.newPage({ colorScheme });
      await fresh.goto(opened.url);
      await fresh.getByLabel('Token').waitFor();
      assert.deepEqual(await faults(fresh), []);
      await fresh.close();
    });

  test('the browser had nothing to complain of', () => {
    // One refusal is asked for above.
    assert.deepEqual(
      complaints.filter((text) => !/status of 401/.test(text)),
      [],
    );
  });

  test('narrow, nothing is wider than the window', async () => {
    await page.setViewportSize({ width: 390, height: 800 });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `${width} px`);
    await page.setViewportSize({ width: 1440, height: 900 });
  });

  describe('as an MCP App', () => {
    test('shows the picture of a result with its text, by asking the server through its host', async (t) => {
      const { frame } = await hosted(t, browser, { allow: folder }, 'describe_image', {
        image: `${folder}/before.png`,
        question: 'What is this?',
      });
      await frame.getByText('You asked: What is this?').waitFor();
      await frame.getByRole('img', { name: 'The picture that was looked at' }).waitFor();
      await frame.getByText('3 lines of text').waitFor();
      await frame.getByText('Seen for the first time').waitFor();
    });

    test('compares before and after, in the host’s light and dark, and axe finds nothing', async (t) => {
      const {
        frame,
        page: host,
        dress,
      } = await hosted(t, browser, { allow: folder }, 'compare_images', {
        image_a: `${folder}/before.png`,
        image_b: `${folder}/after.png`,
      });
      await frame.getByRole('slider').waitFor();
      await frame.getByRole('img', { name: /^After/ }).waitFor();
      for (const theme of ['light', 'dark'] as const) {
        await dress(theme);
        const inner = host.frames().find((one) => one.parentFrame() !== null)!;
        assert.equal(await inner.evaluate(() => document.documentElement.dataset['theme']), theme);
        assert.deepEqual(await faults(host, inner), []);
      }
    });
  });
});
