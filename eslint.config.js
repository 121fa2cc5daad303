import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const counted = { skipBlankLines: true, skipComments: true };

export default defineConfig(
  globalIgnores(['dist/', 'build/', 'build-sanitize/', 'coverage/', 'docs/api/', 'node_modules/']),
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      // Numbers in messages are what most messages are about.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // `() => closeSync(fd)` and `return this.fail(error)` read better than a block.
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      // An implementation of an asynchronous interface need not wait for anything.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // `deferred<void>()` is a promise that only says when.
      '@typescript-eslint/no-invalid-void-type': 'off',
      // `Capability | string` tells an editor what to offer.
      '@typescript-eslint/no-redundant-type-constituents': 'off',
      // What is spread here are flags such as `rwm`, never people's text.
      '@typescript-eslint/no-misused-spread': ['error', { allow: ['string'] }],
      'max-lines-per-function': ['error', { max: 50, ...counted }],
    },
  },
  { rules: { 'max-lines': ['error', { max: 250, ...counted }], eqeqeq: 'error' } },
  {
    files: ['test/**', 'bench/**', 'examples/**'],
    rules: {
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
    },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: {
      globals: {
        AbortController: 'readonly',
        AbortSignal: 'readonly',
        Buffer: 'readonly',
        URL: 'readonly',
        console: 'readonly',
        performance: 'readonly',
        process: 'readonly',
      },
    },
  },
);
