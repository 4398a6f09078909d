// PDFs in requests that pass the proxy, in every form that providers take: words of their pages stand in their place, and
// files that are none stay as they came.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { box, pdfFile } from '../image/pdf-files.js';
import { chatOf, folder, png, red, see, texts, upstream, using } from './proxied.js';

const page = (shade: number) => ({ content: box([shade, shade, shade], 0, 0, 300, 200) });
const three = pdfFile([0, 0.5, 1].map(page)).toString('base64');
const seven = pdfFile([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6].map(page)).toString('base64');
const url = (data: string) => `data:application/pdf;base64,${data}`;
const numbered = (text: string): string[] =>
  [...text.matchAll(/<image image_id="[^"]+" width="\d+" height="\d+" page="(\d)" pages="(\d)">/g)].map(
    ([, number, of]) => `${number}/${of}`,
  );

const FORMS: Record<string, (data: string) => object> = {
  'a file of chat completions': (data) => ({
    type: 'file',
    file: { filename: 'a.pdf', file_data: url(data) },
  }),
  'a file without a data URL': (data) => ({ type: 'file', file: { file_data: data } }),
  'a picture that is none': (data) => see(url(data)),
  'a document of Anthropic': (data) => ({
    type: 'document',
    title: 'A',
    source: { type: 'base64', media_type: 'application/pdf', data },
  }),
};

for (const [what, form] of Object.entries(FORMS))
  test(`pages are described: ${what}`, () =>
    using(async ({ post, engine }) => {
      assert.equal((await post('/chat/completions', chatOf(form(three), png(red)))).status, 200);
      const [first, picture] = texts();
      assert.deepEqual(numbered(first!), ['1/3', '2/3', '3/3']);
      assert.deepEqual(numbered(picture!), []);
      const ids = [...first!.matchAll(/image_id="([^"]+)"/g)].map(([, id]) => id);
      assert.equal(new Set(ids).size, 3);
      const { opened } = engine;
      await post('/chat/completions', chatOf(form(three), png(red)));
      assert.equal(texts()[0], first);
      assert.equal(engine.opened, opened, 'nothing is looked at twice');
    }));

test('of a long document it is said how much is not shown', () =>
  using(async ({ post }) => {
    writeFileSync(`${folder}/seven.pdf`, Buffer.from(seven, 'base64'));
    for (const part of [FORMS['a document of Anthropic']!(seven), see(`${folder}/seven.pdf`)]) {
      await post('/chat/completions', chatOf(part));
      assert.deepEqual(numbered(texts()[0]!), ['1/7', '2/7', '3/7', '4/7', '5/7']);
      assert.match(texts()[0]!, /2 more pages, not shown/);
    }
    await post('/chat/completions', chatOf(see(`${folder}/seven.pdf#page=6-7`)));
    assert.deepEqual(numbered(texts()[0]!), ['6/7', '7/7']);
  }));

test('files of Responses are replaced where they are PDFs', () =>
  using(async ({ post }) => {
    const slashed = JSON.stringify(url(three)).replaceAll('/', '\\/');
    const body = `{"input":[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":${slashed}}]}]}`;
    await post('/responses', body);
    const [part] = JSON.parse(upstream.got.at(-1)!.body).input[0].content;
    assert.equal(part.type, 'input_text');
    assert.deepEqual(numbered(part.text), ['1/3', '2/3', '3/3']);
  }));

test('what is no PDF stays to the byte; what is a broken one is marked', () =>
  using(async ({ post }) => {
    const text = Buffer.from('only text').toString('base64');
    const body = chatOf(
      { type: 'file', file: { filename: 'a.txt', file_data: `data:text/plain;base64,${text}` } },
      { type: 'file', file: { file_id: 'file-1' } },
      {
        type: 'document',
        source: { type: 'text', media_type: 'text/plain', data: 'JVBERi0 is how one begins' },
      },
      { type: 'input_file', file_url: 'https://example.com/notes.txt' },
    );
    await post('/chat/completions', body);
    assert.equal(upstream.got.at(-1)!.body, body);
    await post('/chat/completions', chatOf(FORMS['a document of Anthropic']!('JVBERi0xLjQK')));
    assert.match(texts()[0]!, /could not be read.*\[\w+\]/s);
  }));
