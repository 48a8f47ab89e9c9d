import js from '@eslint/js'
import { defineConfig } from 'eslint/config'
import svelte from 'eslint-plugin-svelte'
import globals from 'globals'
import tseslint from 'typescript-eslint'
import { commentWidth } from './tools/eslint-comment-width.ts'
import { idParameters } from './tools/eslint-id-parameters.ts'
import { importCircles } from './tools/eslint-import-circles.ts'
import { layers } from './tools/eslint-layers.ts'
import { packageBorders } from './tools/eslint-package-borders.ts'
import { statedAssertions } from './tools/eslint-stated-assertions.ts'
import { textsInCatalogues } from './tools/eslint-texts.ts'
import svelteConfig from './svelte.config.js'

/** Files that other tools load by their default export. */
const defaultExports = ['*.config.{ts,js}', 'tools/run-reporter.ts']

const exportRules = [
  { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
  { selector: 'ExportAllDeclaration', message: 'No barrels: import from where it is defined.' },
]

/** What makes tests in a browser fail on some days. */
const raceRules = [
  {
    selector: 'VariableDeclaration[kind="await using"]',
    message: 'The page would see it end. `windows.keep` keeps it until the windows are closed.',
  },
  {
    selector:
      'CallExpression[callee.name="expect"] > AwaitExpression > CallExpression > MemberExpression[property.name=/^(count|content|innerText|inputValue|textContent|getAttribute|is[A-Z].*)$/]',
    message: 'A page shows things in its own time. `expect.poll` waits for them.',
  },
]

export default defineConfig(
  { ignores: ['**/dist/', 'data/', 'coverage/', 'screenshots/'] },
  { linterOptions: { noInlineConfig: true } },
  js.configs.recommended,
  tseslint.configs.recommended,
  svelte.configs.recommended,
  {
    plugins: {
      lockstep: {
        rules: {
          layers,
          'id-parameters': idParameters,
          'import-circles': importCircles,
          'package-borders': packageBorders,
          'comment-width': commentWidth,
          'stated-assertions': statedAssertions,
          'texts-in-catalogues': textsInCatalogues,
        },
      },
    },
    languageOptions: { globals: globals.nodeBuiltin },
    rules: {
      'lockstep/id-parameters': 'error',
      'lockstep/layers': 'error',
      'lockstep/import-circles': 'error',
      'lockstep/package-borders': 'error',
      'lockstep/comment-width': 'error',
      'max-lines': ['error', 400],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'error',
      'no-warning-comments': 'error',
      'no-restricted-syntax': ['error', ...exportRules],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
    },
  },
  {
    files: ['**/*.ts', '**/*.svelte'],
    languageOptions: {
      parserOptions: {
        projectService: true,
        tsconfigRootDir: import.meta.dirname,
        extraFileExtensions: ['.svelte'],
      },
    },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      // A promise that leaves the scope of a `using` or a try is settled after its end.
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: tseslint.parser, svelteConfig } },
    // The rule reports every Date, Map and URL, also those that no template reads.
    rules: { 'svelte/prefer-svelte-reactivity': 'off' },
  },
  {
    files: ['ui/**'],
    languageOptions: { globals: globals.browser },
    rules: { 'lockstep/texts-in-catalogues': 'error' },
  },
  {
    files: [
      'protocol/**',
      'realtime/log/**',
      'realtime/gateway/**',
      'realtime/agents/**',
      'clients/typescript/src/**',
    ],
    rules: { 'lockstep/stated-assertions': 'error' },
  },
  { files: ['deploy/*.js'], languageOptions: { globals: { db: false, quit: false, rs: false } } },
  { files: defaultExports, rules: { 'no-restricted-syntax': 'off' } },
  {
    files: ['tests/browser/**/*.test.ts'],
    rules: { 'no-restricted-syntax': ['error', ...exportRules, ...raceRules] },
  },
  { files: ['tools/**', 'tests/**'], rules: { 'no-console': 'off' } },
)
