// Where the program throws each code of the table of errors, read from its sources.
import fs from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { root } from '../pack-manifest.ts'

interface FaultSource {
  code: string
  /** The file that throws it. */
  file: string
  /** What it says; `…` stands for what differs. Undefined if it says only the code's title. */
  detail: string | undefined
}

/** Every `new Fault('code', { detail })` of the server and the protocol. */
export function faultSources(): FaultSource[] {
  const files = fs.globSync('{protocol,realtime}/**/*.ts', {
    cwd: root,
    exclude: ['**/node_modules', '**/dist', 'realtime/operator', 'realtime/*.ts'],
  })
  return files.sort().flatMap((file) => {
    const text = fs.readFileSync(path.join(root, file), 'utf8')
    if (!text.includes('new Fault(')) return []
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest)
    const found: FaultSource[] = []
    const visit = (node: ts.Node): void => {
      ts.forEachChild(node, visit)
      if (!ts.isNewExpression(node) || !ts.isIdentifier(node.expression)) return
      const [code, extra] = node.arguments ?? []
      if (node.expression.text !== 'Fault' || !code || !ts.isStringLiteral(code)) return
      found.push({ code: code.text, file, detail: detailOf(extra) })
    }
    visit(source)
    return found
  })
}

function detailOf(extra: ts.Expression | undefined): string | undefined {
  if (!extra || !ts.isObjectLiteralExpression(extra)) return undefined
  for (const property of extra.properties)
    if (
      ts.isPropertyAssignment(property) &&
      ts.isIdentifier(property.name) &&
      property.name.text === 'detail'
    )
      return textOf(property.initializer)
  return undefined
}

function textOf(node: ts.Expression): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text
  if (ts.isTemplateExpression(node))
    return node.head.text + node.templateSpans.map(({ literal }) => `…${literal.text}`).join('')
  if (ts.isBinaryExpression(node)) {
    const [left, right] = [textOf(node.left), textOf(node.right)]
    return left !== undefined && right !== undefined ? left + right : undefined
  }
  return undefined
}
