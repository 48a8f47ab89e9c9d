// The API report of the client: every declaration that other projects can import, as one committed
// text, so that a change of the public interface shows in the diff. Run this file to write it.
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { format, resolveConfig } from 'prettier'
import ts from 'typescript'
import { createPackageBuilder } from './pack-build.ts'
import { readPackages, root } from './pack-manifest.ts'

const clientFolder = 'clients/typescript'
export const reportFile = path.join(root, clientFolder, 'api.md')

/** @param folder an unpacked or installed package; its `exports` without `*` are reported */
export async function apiReport(folder: string): Promise<string> {
  const { name, exports } = JSON.parse(
    fs.readFileSync(path.join(folder, 'package.json'), 'utf8'),
  ) as { name: string; exports: Record<string, { types: string }> }
  const entries = Object.entries(exports).filter(([specifier]) => !specifier.includes('*'))
  const files = entries.map(([, { types }]) => path.join(folder, types))
  const program = createProgram(files)
  const sections = entries.map(([specifier], index) =>
    [
      `## \`${path.posix.join(name, specifier)}\``,
      ...declarations(program, files[index]!).map((text) => `\`\`\`ts\n${text}\n\`\`\``),
    ].join('\n\n'),
  )
  const text = [
    `# The public interface of ${name}`,
    'Written by `node tools/pack-api-report.ts`; a test checks that it is current.',
    ...sections,
  ].join('\n\n')
  return format(text, { ...(await resolveConfig(reportFile)), parser: 'markdown' })
}

/**
 * A program of the package's own declarations: the report prints names of other packages as they
 * are.
 */
function createProgram(files: readonly string[]): ts.Program {
  const options = { noLib: true, types: [] }
  const host = ts.createCompilerHost(options)
  host.resolveModuleNameLiterals = (literals, importer) =>
    literals.map(({ text }) => ({
      resolvedModule: text.startsWith('.')
        ? {
            resolvedFileName: path
              .resolve(path.dirname(importer), text)
              .replace(/\.js$/, ts.Extension.Dts),
            extension: ts.Extension.Dts,
          }
        : undefined,
    }))
  return ts.createProgram(files, options, host)
}

/** What a module exports, by name, without comments. */
function declarations(program: ts.Program, file: string): string[] {
  const checker = program.getTypeChecker()
  const module = checker.getSymbolAtLocation(program.getSourceFile(file)!)!
  const printer = ts.createPrinter({ removeComments: true })
  return checker
    .getExportsOfModule(module)
    .map((symbol) =>
      symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol,
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(({ declarations = [] }) => declarations)
    .map((node) => {
      const declaration = ts.isVariableDeclaration(node) ? node.parent.parent : node
      return printer.printNode(ts.EmitHint.Unspecified, declaration, node.getSourceFile())
    })
}

if (process.argv[1] === import.meta.filename) {
  const source = readPackages().find(({ folder }) => folder === clientFolder)!
  const copy = fs.mkdtempSync(path.join(tmpdir(), 'lockstep-api-report-'))
  try {
    createPackageBuilder().write(source, copy)
    fs.writeFileSync(reportFile, await apiReport(copy))
  } finally {
    fs.rmSync(copy, { recursive: true })
  }
}
