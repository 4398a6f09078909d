// Schemas of the published JSON Schema test suite (draft 4), with the values that it says hold by them and that do not.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export interface SuiteCase {
  /** The file, and what it is about. */
  name: string;
  schema: unknown;
  tests: { description: string; data: unknown; valid: boolean }[];
}

const suite = join(
  dirname(createRequire(import.meta.url).resolve('json-schema-test-suite/package.json')),
  'tests/draft4',
);

export function publishedSuite(): SuiteCase[] {
  return readdirSync(suite)
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) =>
      (JSON.parse(readFileSync(join(suite, file), 'utf8')) as (SuiteCase & { description: string })[]).map(
        ({ description, schema, tests }) => ({ name: `${file}: ${description}`, schema, tests }),
      ),
    );
}
