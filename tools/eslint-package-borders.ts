// ESLint rule: a relative import stays within its package. What another package offers is imported
// by the package's name, so that the workspace uses each package as a foreign project would.
import path from 'node:path'
import type { Rule } from 'eslint'
import { fileOf, importListeners } from './eslint-imports.ts'
import { packageFolders } from './workspace-packages.ts'

/**
 * Tests of a package's internals import these folders directly: the package doesn't export them.
 */
const openToTests = ['clients/typescript/src/', 'realtime/embedded/', 'realtime/imports/']

/** The folder of the workspace package that a file belongs to; the repository's own is ''. */
const packageOf = (file: string): string =>
  packageFolders.find((folder) => file.startsWith(`${folder}/`)) ?? ''

/** Reports each relative import that leaves the package of its file. */
export const packageBorders: Rule.RuleModule = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const file = fileOf(context)
    const isTest = file.startsWith('tests/')
    return importListeners(context, (specifier) => {
      if (!specifier.startsWith('.')) return undefined
      const target = path.posix.join(path.posix.dirname(file), specifier)
      const owner = packageOf(target)
      if (owner === packageOf(file)) return undefined
      if (isTest && openToTests.some((folder) => target.startsWith(folder))) return undefined
      return owner === ''
        ? `${specifier} leaves the package, which must work without this repository.`
        : `${specifier} enters the package in ${owner}/: import it by the package's name.`
    })
  },
}
