// Shared by the ESLint rules about imports: which nodes import, and which file an import means.
import path from 'node:path'
import type { Rule } from 'eslint'
import { workspaceFile } from './workspace-packages.ts'

/** The absolute path of the repository. */
export const root = path.resolve(import.meta.dirname, '..')

/** The path of the file that a rule looks at: relative to the repository, with `/`. */
export const fileOf = (context: Rule.RuleContext): string =>
  path.relative(root, context.filename).split(path.sep).join('/')

/**
 * The file of this repository that an import means; undefined for packages from elsewhere. Paths
 * are relative to the repository, with `/`.
 */
export const importedFile = (importer: string, specifier: string): string | undefined =>
  specifier.startsWith('.')
    ? path.posix.join(path.posix.dirname(importer), specifier)
    : workspaceFile(specifier)

/**
 * Listeners that report each import, re-export, dynamic import and import type about which
 * `problemOf` returns a message. Imports of computed addresses are not looked at.
 */
export function importListeners(
  context: Rule.RuleContext,
  problemOf: (specifier: string) => string | undefined,
): Rule.RuleListener {
  const check = (node: Rule.Node): void => {
    const source = 'source' in node ? node.source : undefined
    if (source?.type !== 'Literal' || typeof source.value !== 'string') return
    const message = problemOf(source.value)
    if (message) context.report({ node: source, message })
  }
  return {
    ImportDeclaration: check,
    ExportNamedDeclaration: check,
    ExportAllDeclaration: check,
    ImportExpression: check,
    TSImportType: check,
  }
}
