// Runs one of the repository's own ESLint rules on a file that needn't exist.
import path from 'node:path'
import { Linter, type Rule } from 'eslint'
import svelteParser from 'svelte-eslint-parser'
import tseslint from 'typescript-eslint'

const root = path.resolve(import.meta.dirname, '../..')

/** The messages that a rule reports about the code, in the order of its lines. */
export function lint(rule: Rule.RuleModule, file: string, code: string): string[] {
  const parser = (file.endsWith('.svelte') ? svelteParser : tseslint.parser) as Linter.Parser
  const config: Linter.Config = {
    files: ['**/*.ts', '**/*.svelte'],
    languageOptions: { parser },
    plugins: { lockstep: { rules: { rule } } },
    rules: { 'lockstep/rule': 'error' },
  }
  return new Linter({ cwd: root })
    .verify(code, config, { filename: path.join(root, file) })
    .map(({ message }) => message)
}
