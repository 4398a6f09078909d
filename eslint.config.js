import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist/', 'build/', 'node_modules/', 'training/', 'models/', 'native/'] },
  ...tseslint.configs.recommended,
  {
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  // A server's stdout belongs to the protocol; reports of benchmarks and checks are what stdout is for.
  { files: ['bench/**', 'test/**'], rules: { 'no-console': 'off' } },
);
