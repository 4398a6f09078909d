// The page's own server in this process, with two scripted models, and a tab that is signed in.
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { InstalledModels } from '../../src/engine/installed-models.js';
import { door, type OpenDoor } from '../http/doors.js';
import { ScriptedEngine } from '../mcp/scripted-engine.js';
import { ScriptedReader } from '../mcp/scripted-reader.js';

export const MODELS = ['tests/first', 'tests/second'];

/** Every answer is by the one that `find` names. @param engines Gets those that are opened. */
export function openPage(engines: ScriptedEngine[] = []): Promise<OpenDoor> {
  const models = new InstalledModels({
    find: (name) => name ?? MODELS[0]!,
    nameOf: (folder) => folder,
    names: () => MODELS,
    open: () => engines[engines.push(new ScriptedEngine({ lookMs: 900 })) - 1]!,
  });
  return door(models.usual, { reader: new ScriptedReader(), models }, { models, downloads: true });
}

/** Of each step; a machine that is busy is not to blame. */
const PATIENCE_MS = 15_000;

export interface Tab {
  page: Page;
  /** What the browser complained of. */
  complaints: string[];
}

/** A tab of its own context, signed in by a link. */
export async function signedIn(
  browser: Browser,
  opened: OpenDoor,
  options: BrowserContextOptions = {},
): Promise<Tab> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    reducedMotion: 'reduce',
    ...options,
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  await page.goto(opened.link());
  await page.getByText('Drop a picture here.').waitFor();
  return { page, complaints };
}

/** As a person drops a file. */
export async function drop(
  page: Page,
  name: string,
  file: Buffer,
  { type = 'image/png', shown = name } = {},
): Promise<void> {
  const transfer = await page.evaluateHandle(
    ({ name, base64, type }) => {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const held = new DataTransfer();
      held.items.add(new File([bytes], name, { type }));
      return held;
    },
    { name, base64: file.toString('base64'), type },
  );
  await page.dispatchEvent('body', 'dragover', { dataTransfer: transfer });
  await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
  await page.getByRole('button', { name: shown, exact: true }).waitFor();
}
