import tseslint from 'typescript-eslint';

/** `#x` is private to JavaScript as well, so it is the one way of saying so. */
const NO_PRIVATE_KEYWORD = [
  'PropertyDefinition',
  'MethodDefinition[kind!="constructor"]',
  'TSParameterProperty',
].map((node) => ({
  selector: `${node}[accessibility="private"]`,
  message: 'Write #name for private members.',
}));

export default tseslint.config(
  { ignores: ['dist/', 'build/', 'node_modules/', 'training/', 'models/', 'native/'] },
  ...tseslint.configs.recommended,
  {
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
      eqeqeq: 'error',
      'no-console': 'error',
      'no-restricted-syntax': ['error', ...NO_PRIVATE_KEYWORD],
    },
  },
  {
    files: ['**/*.ts', '**/*.tsx'],
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.check.json', './page/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [{ from: 'package', name: ['test', 'describe'], package: 'node:test' }],
        },
      ],
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/prefer-promise-reject-errors': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
    },
  },
  {
    files: ['test/**/*.ts'],
    ignores: ['test/ended.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...NO_PRIVATE_KEYWORD,
        {
          selector: 'CallExpression[callee.name="once"] > Literal[value="exit"]',
          message: 'Await ended(child) of test/ended.ts: a program may have ended before.',
        },
      ],
    },
  },
  // A server's stdout belongs to the protocol; reports of benchmarks and checks are what stdout is for.
  { files: ['bench/**', 'test/**'], rules: { 'no-console': 'off' } },
);
