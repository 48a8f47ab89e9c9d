// ESLint rule: files don't import each other in circles, however long. Type-only imports count: two
// files that need each other's shapes can't be read, moved or tested one without the other.
import fs from 'node:fs'
import path from 'node:path'
import type { Rule } from 'eslint'
import ts from 'typescript'
import { fileOf, importedFile, importListeners, root } from './eslint-imports.ts'

/** What a file of the repository imports, as of the file's time of change. */
const known = new Map<string, { changedAt: number; imports: string[] }>()

/**
 * The repository's files that a file imports, dynamic imports and import types included. Paths are
 * relative to the repository, with `/`. A file that isn't there imports nothing.
 */
function importsOf(file: string): string[] {
  const absolute = path.join(root, file)
  const changedAt = fs.statSync(absolute, { throwIfNoEntry: false })?.mtimeMs
  if (changedAt === undefined || !/\.(ts|js|mjs|svelte)$/.test(file)) return []
  const before = known.get(file)
  if (before?.changedAt === changedAt) return before.imports
  const imports = importedFiles(file, fs.readFileSync(absolute, 'utf8'))
  known.set(file, { changedAt, imports })
  return imports
}

function importedFiles(file: string, text: string): string[] {
  const script = file.endsWith('.svelte')
    ? [...text.matchAll(/<script[^>]*>([^]*?)<\/script>/g)].map(([, code]) => code).join('\n')
    : text
  return ts
    .preProcessFile(script)
    .importedFiles.flatMap(({ fileName }) => importedFile(file, fileName) ?? [])
}

/**
 * The shortest way along imports from one file to another, both included; undefined if there is
 * none.
 */
export function importPath(
  from: string,
  to: string,
  imports: (file: string) => readonly string[] = importsOf,
): string[] | undefined {
  const importer = new Map<string, string | undefined>([[from, undefined]])
  // A Map lists what is added to it while it is walked.
  for (const [file] of importer) {
    if (file === to) {
      const files = [file]
      for (let at = importer.get(file); at !== undefined; at = importer.get(at)) files.unshift(at)
      return files
    }
    for (const next of imports(file)) if (!importer.has(next)) importer.set(next, file)
  }
  return undefined
}

/** Reports each import that leads back to its own file. */
export const importCircles: Rule.RuleModule = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const file = fileOf(context)
    return importListeners(context, (specifier) => {
      const target = importedFile(file, specifier)
      const circle = target === undefined ? undefined : importPath(target, file)
      return circle && `Imports in a circle: ${[file, ...circle].join(' → ')}.`
    })
  },
}
