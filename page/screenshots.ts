// The README's pictures of the page: the bundled model, asked for real, in Chromium.
//   npm run screenshots        into docs/
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { openElementReader, openReader } from '../src/cli/open-reader.js';
import { openModels } from '../src/cli/open-engine.js';
import { Options } from '../src/cli/options.js';
import { launch } from '../test/page/browser.js';
import { drop, signedIn } from '../test/page/page.js';
import { door } from '../test/http/doors.js';

const ROOT = resolve(import.meta.dirname, '..');
const OUT = join(ROOT, 'docs');
const EXAMPLES = join(ROOT, 'models', 'starter', 'examples');
/** Sharp where a page shows them at half their width, and small. */
const SCALE = 2;
const example = (name: string): Buffer => readFileSync(join(EXAMPLES, name));

mkdirSync(OUT, { recursive: true });
const options = new Options(['--no-disk-cache']);
const models = openModels(options);
const eyes = { reader: await openReader(options), elements: openElementReader(options) };
const opened = await door(models.usual, { ...eyes, models }, { models, downloads: true });
const browser = await launch();
try {
  const { page } = await signedIn(browser, opened, { colorScheme: 'light', deviceScaleFactor: SCALE });
  // The model computes beside whatever else this machine does.
  page.setDefaultTimeout(180_000);
  await drop(page, 'login.png', example('login.png'));
  await ask(page, 'Which error is shown?');
  await drop(page, 'orders.png', example('screen.png'));
  await ask(page, 'How many rows are there?');
  await ask(page, 'What is the title?');
  await find(page, 'Tea kettle');
  await settled(page);
  await shot(page, 'page-light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await drop(page, 'orders, later.png', await changed());
  await page.getByRole('radio', { name: 'Compare' }).check();
  await page.getByRole('button', { name: 'Compare', exact: true }).click();
  await page.getByText(/% changed$/).waitFor();
  await page.getByRole('slider').fill('62');
  await settled(page);
  await shot(page, 'page-dark');
} finally {
  await browser.close();
  await opened.close();
}

async function ask(page: Page, question: string): Promise<void> {
  const before = await page.locator('.reused').count();
  await page.getByPlaceholder('What do you want to know?').fill(question);
  await page.getByPlaceholder('What do you want to know?').press('Enter');
  await page.locator('.reused').nth(before).waitFor();
}

/** Until nothing is being done and the pointer is nowhere. */
async function settled(page: Page): Promise<void> {
  await page.getByText('Nothing is being asked.').waitFor();
  await page.mouse.move(0, 0);
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page.waitForTimeout(2500);
}

async function find(page: Page, what: string): Promise<void> {
  await page.getByRole('radio', { name: 'Find' }).check();
  await page.getByPlaceholder(/What are you looking for/).fill(what);
  await page.getByRole('button', { name: 'Find', exact: true }).click();
  await page.locator('.places').waitFor();
  await page.getByRole('radio', { name: 'Ask' }).check();
}

/** The orders after a price was raised: that of another row, in its place. */
async function changed(): Promise<Buffer> {
  const price = { left: 1030, width: 70, height: 24 };
  const dearer = await sharp(example('screen.png'))
    .extract({ ...price, top: 97 })
    .toBuffer();
  return sharp(example('screen.png'))
    .composite([{ input: dearer, left: price.left, top: 194 }])
    .png()
    .toBuffer();
}

async function shot(page: Page, name: string): Promise<void> {
  await sharp(await page.screenshot())
    .webp({ quality: 82, effort: 6 })
    .toFile(join(OUT, `${name}.webp`));
}
