// The rules of SPEC.md and ARCHITECTURE.md have ids, so that code and tests can name them. Each id
// is defined once, every cited id exists, and each rule has a test that names it.
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { expect, it } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')
const pages = ['protocol/SPEC.md', 'ARCHITECTURE.md']
const id = /\b(?:API|LOG|FEED|GATE|CLIENT|PRODUCE|RECORD|WEBHOOK)-\d+\b|\bP[1-9]\b/g

const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')
const idsIn = (text: string): string[] => text.match(id) ?? []

const foreign = ['node_modules', 'dist', 'packed', 'data', '.git']
const files = (pattern: string): string[] =>
  globSync(pattern, { cwd: root, exclude: (file) => foreign.includes(path.basename(file)) })

const defined = pages.flatMap((page) =>
  [...read(page).matchAll(/^- \*\*([A-Z]+-?\d+)\*\*/gm)].map(([, rule = '']) => rule),
)

/**
 * The texts that a test file gives to `test`, `it` and `describe`, their `.each` and `.skipIf`
 * included.
 */
function namesIn(file: string): string[] {
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest)
  const names: string[] = []
  const visit = (node: ts.Node): void => {
    const [name] = ts.isCallExpression(node) ? node.arguments : []
    if (
      name &&
      ts.isStringLiteralLike(name) &&
      isTestFunction((node as ts.CallExpression).expression)
    )
      names.push(name.text)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return names
}

function isTestFunction(node: ts.Expression): boolean {
  if (ts.isIdentifier(node)) return ['test', 'it', 'describe'].includes(node.text)
  return (
    (ts.isPropertyAccessExpression(node) ||
      ts.isCallExpression(node) ||
      ts.isTaggedTemplateExpression(node)) &&
    isTestFunction(ts.isTaggedTemplateExpression(node) ? node.tag : node.expression)
  )
}

it('each rule is defined once', () => {
  expect(defined.length).toBeGreaterThan(30)
  expect(defined.filter((rule, index) => defined.indexOf(rule) !== index)).toEqual([])
})

it('each id that code, tests and pages cite is defined', () => {
  const cited = [...files('**/*.{ts,mjs,svelte}'), ...files('**/*.md')].flatMap((file) =>
    idsIn(read(file)).map((rule) => ({ file, rule })),
  )
  expect(cited.filter(({ rule }) => !defined.includes(rule))).toEqual([])
})

it('each rule is named by a test', () => {
  const cited = new Set(files('tests/**/*.test.ts').flatMap(namesIn).flatMap(idsIn))
  expect(defined.filter((rule) => !cited.has(rule))).toEqual([])
})
