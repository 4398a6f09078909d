// Debian's Chromium for the tests of the page, and for its screenshots.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import type { AxeResults } from 'axe-core';
import { chromium, type Browser, type Frame, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** Undefined where there is none. */
function browserPath(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((file) =>
    existsSync(file),
  );
}

const MISSING = 'Chromium was not found: install the package chromium.';

/** Why tests are left out. In CI AFTERIMAGE_BROWSER is "required": there they fail instead. */
export function withoutBrowser(): string | false {
  const required = process.env['AFTERIMAGE_BROWSER'] === 'required';
  return browserPath() === undefined && !required && MISSING;
}

export function launch(): Promise<Browser> {
  const executablePath = browserPath();
  if (executablePath === undefined) throw new Error(MISSING);
  // As root it has no sandbox of its own.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath, args: [...args, '--font-render-hinting=none'] });
}

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** What axe-core finds: a rule, and where it is broken. The page's policy lets no script in, so it comes by the debugger. */
export async function faults(page: Page, frame: Frame = page.mainFrame()): Promise<string[]> {
  const { readFile } = await import('node:fs/promises');
  await frame.evaluate(await readFile(AXE, 'utf8'));
  const { violations } = await frame.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  );
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
}
