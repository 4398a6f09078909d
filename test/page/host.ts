// A client that shows MCP Apps, as small as one can be: ext-apps' own bridge in a page, a sandboxed frame with the policy
// that hosts set, and behind it an MCP client of this server that says it shows apps.
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Browser, FrameLocator, Page } from 'playwright-core';
import { build } from 'esbuild';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { door, TOKEN } from '../http/doors.js';
import { ScriptedEngine } from '../mcp/scripted-engine.js';
import { loopback } from '../http/loopback.js';

export const APP_TYPE = 'text/html;profile=mcp-app';
/** What the specification has hosts enforce where a resource asks for nothing more. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:";

export interface Hosted {
  page: Page;
  frame: FrameLocator;
  dress(theme: 'light' | 'dark'): Promise<void>;
}

/** Calls a tool, and shows its app until the test ends. */
export async function hosted(
  test: TestContext,
  browser: Browser,
  { allow }: { allow: string },
  name: string,
  args: Record<string, unknown>,
): Promise<Hosted> {
  const opened = await door(new ScriptedEngine(), { allow: [allow] });
  test.after(() => opened.close());
  const client = await announcing(opened.url);
  test.after(() => client.close());
  const { tools } = await client.listTools();
  const { resourceUri: uri } = tools.find((tool) => tool.name === name)!._meta!['ui'] as {
    resourceUri: string;
  };
  const { contents } = await client.readResource({ uri });
  const { text: html, mimeType } = contents[0] as { text: string; mimeType: string };
  if (mimeType !== APP_TYPE) throw new Error(`The app came as ${mimeType}.`);
  const result = await client.callTool({ name, arguments: args });
  const site = await loopback((_, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end(
      '<!doctype html><html lang="en"><title>Host</title><iframe title="App" width="900" height="700" sandbox="allow-scripts"></iframe>',
    );
  });
  test.after(() => site.close());
  const page = await browser.newPage();
  test.after(() => page.close());
  await page.exposeFunction('server', (method: string, params: never) =>
    method === 'tools/call' ? client.callTool(params) : client.readResource(params),
  );
  await page.goto(site.url);
  await page.evaluate(await bridge());
  const policy = `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`;
  await page.evaluate(
    (shown) => (globalThis as unknown as { show(shown: unknown): Promise<void> }).show(shown),
    { html: html.replace('<head>', `<head>${policy}`), args, result },
  );
  return {
    page,
    frame: page.frameLocator('iframe'),
    dress: (theme) =>
      page.evaluate((to) => (globalThis as unknown as { dress(theme: string): void }).dress(to), theme),
  };
}

/** An MCP client that says it shows apps. */
export async function announcing(url: string): Promise<Client> {
  const extensions = { 'io.modelcontextprotocol/ui': { mimeTypes: [APP_TYPE] } };
  const client = new Client(
    { name: 'host', version: '1' },
    { capabilities: { extensions }, versionNegotiation: { mode: 'auto' } },
  );
  const headers = { Authorization: `Bearer ${TOKEN}` };
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit: { headers } }),
  );
  return client;
}

let made: Promise<string> | undefined;

/** Of the host's page. */
function bridge(): Promise<string> {
  made ??= build({
    entryPoints: [join(import.meta.dirname, 'host-page.ts')],
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
  }).then(({ outputFiles }) => outputFiles[0]!.text);
  return made;
}
