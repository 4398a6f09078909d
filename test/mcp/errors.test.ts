// Every error code with a sentence that it comes with and the next step in it: the compiler asks for all codes, the
// test for the words as they stand in the sources. A wording that loses its next step is noticed here.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AfterimageError, ERROR_CODES, type ErrorCode } from '../../src/errors.js';
import { createLog } from '../../src/mcp/log.js';
import { toErrorResult } from '../../src/mcp/results.js';
import { ROOT } from './clients.js';

/** What happened, and what to do next; nothing is left to do where it says so. */
const TABLE: Record<ErrorCode, [sentence: string, next: string]> = {
  BACKEND_FAILED: ['The cached answer differs from the first one', 'report this with the output of doctor.'],
  BACKEND_LOST: ['The GPU takes no more work of this process', 'restart afterimage'],
  CANCELLED: ['The client cancelled this call', 'the session is as it was before it.'],
  CLIPBOARD_FAILED: ['The clipboard cannot be read here', "or give the picture's path."],
  CLIPBOARD_NOT_ALLOWED: ['The clipboard is not read', 'start the server with --allow-clipboard'],
  CLOSED: ['This session is closed', 'open a new one.'],
  CONTEXT_FULL: ['tokens but the model reads at most', '${remedy}.'],
  DOCUMENT_LOCKED: ['is protected by a password', 'save it without one'],
  DOCUMENT_TOO_COMPLEX: ['needs ${what} to be drawn', 'save the page as PNG and give that.'],
  DOCUMENT_UNREADABLE: ['is damaged or no whole PDF', 'save it again and retry.'],
  DOCUMENT_UNSUPPORTED: ['is an XFA form', 'print it into a plain PDF first.'],
  ENGINE_BUSY: ['The server has too much to do at once', 'try again in a second.'],
  ENGINE_FAILED: ['${name} broke its answer off', 'ask again.'],
  ENGINE_REFUSED: ['${name} refused the key', 'AFTERIMAGE_ENGINE_KEY'],
  ENGINE_INCOMPATIBLE: ['The engine on ${this.#path} is of version', 'restart \\`afterimage serve\\`.'],
  ENGINE_UNREACHABLE: ['No engine answers on', 'start it with \\`afterimage serve\\`'],
  IMAGE_NOT_FOUND: ['does not exist', 'check the path and try again.'],
  IMAGE_TOO_LARGE: ['more than the limit of ${limit}', 'scale it down or raise --max-megapixels.'],
  IMAGE_UNREADABLE: ['${name} is damaged or incomplete', 'save the image again and retry.'],
  IMAGE_UNSUPPORTED: ['not an image of a known kind', 'so convert it to PNG first.'],
  INTERNAL: ['Something failed that should not have.', 'Try again'],
  INVALID_ARGUMENT: ['New images need a message', 'say what you want to know about them.'],
  INVALID_CHECKPOINT: ['Expected ${expected} for', 'download the checkpoint again.'],
  INVALID_PROGRAM: ['${message}', "correct the model family's file."],
  INVALID_REGION: ['does not lie in the image', 'give whole pixels'],
  IO_FAILED: ['The cache folder "${base}" cannot be made', 'choose another with --cache-dir'],
  MODEL_CHANGED: ['is not what it was when this model was loaded', 'restart, so that it is loaded anew.'],
  MODEL_NOT_FOUND: ['There is no model folder', 'pass --model with the folder of a downloaded checkpoint.'],
  MODEL_UNSUPPORTED: ['${found} is not supported', 'supported are'],
  NATIVE_BUILDING: ['There is no package of the native engine that runs here', '${howFar(status)}.'],
  NATIVE_MISSING: ['The native engine could not be loaded', 'build it with'],
  OUT_OF_MEMORY: ['Reading this picture in one piece needs', 'read it in smaller pieces.'],
  PAGE_NOT_FOUND: ['so there is no page ${page}', 'name one of them.'],
  PATH_NOT_ALLOWED: ['is outside the allowed folders', 'Copy the image into one of them'],
  SCHEMA_UNSUPPORTED: ['The schema is too large to hold an answer to', 'ask for less of it at once.'],
  SESSION_BUSY: ['Another call is using this session_id.', 'Wait for its answer'],
  SESSION_EXPIRED: ['This session_id has expired', 'Start a new one'],
  SESSION_NOT_FOUND: ['This session_id is unknown to this server', 'Start a new one'],
  TOO_MANY_IMAGES: ['A call takes at most ${MOST_IMAGES} images', 'add the others in a later call.'],
  UNKNOWN_IMAGE: ['is not known here, or not any more', "give the image's path again."],
  URL_FAILED: ['The image could not be fetched', 'Save it and give its path.'],
  URL_NOT_ALLOWED: ['Images are not fetched from the web', 'start the server with --allow-urls'],
};

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sources(path);
    if (name.endsWith('.cpp')) return [asTypeScript(readFileSync(path, 'utf8'))];
    return name.endsWith('.ts') ? [readFileSync(path, 'utf8')] : [];
  });
}

/** Error("CODE", "a sentence " + part + " goes on") with the quotes of the other language. */
function asTypeScript(text: string): string {
  return text.replace(/"\s*\n\s*"/g, '').replaceAll('"', "'");
}

/** Each use of a code, with the text that follows it; parts of a sentence that are joined are one. */
const uses = ['src', 'tools', 'native/metal']
  .flatMap((folder) => sources(join(ROOT, folder)))
  .flatMap((text) =>
    [...text.matchAll(/'([A-Z]+(?:_[A-Z]+)*)',/g)].map(({ index, 1: code }) => ({
      code,
      said: text
        .slice(index, index + 900)
        .replace(/['`] \+\s*['`]/g, '')
        .replace(/\s+/g, ' '),
    })),
  );

for (const code of ERROR_CODES) {
  const [sentence, next] = TABLE[code];
  test(`${code}: ${sentence} … ${next}`, () => {
    const found = uses.filter((use) => use.code === code).map(({ said }) => said);
    assert.ok(found.length > 0, 'it is used');
    const whole = found.some((said) => {
      const at = said.indexOf(sentence);
      return at >= 0 && said.indexOf(next, at) >= 0;
    });
    assert.ok(
      whole,
      `no such sentence with that next step:\n${found.map((said) => said.slice(0, 200)).join('\n')}`,
    );
  });
}

test('a mistake of ours is INTERNAL, and its words stay here', () => {
  const log = createLog({ level: 'silent' });
  for (const mistake of [new TypeError('secret'), new Error('secret'), 'secret', undefined]) {
    const result = toErrorResult(mistake, log);
    assert.deepEqual(result._meta, { 'afterimage-mcp/error': { code: 'INTERNAL' } });
    assert.doesNotMatch(JSON.stringify(result), /secret|BACKEND_FAILED/);
  }
});

test('each code reaches a client in words and for programs', () => {
  const log = createLog({ level: 'silent' });
  for (const code of ERROR_CODES) {
    const result = toErrorResult(new AfterimageError(code, 'A; do b.'), log);
    assert.deepEqual(result.content, [{ type: 'text', text: `${code}: A; do b.` }]);
    assert.deepEqual(result._meta, { 'afterimage-mcp/error': { code } });
    assert.equal(result.structuredContent, undefined);
  }
});
