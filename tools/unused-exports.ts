// Lists exports that no other file imports: each is either dead or less public than it says. It
// walks syntax trees without a type checker. A name counts as used if some file imports that name
// from that file; importing a whole namespace uses all of its names. A type may be exported for
// callers of another export that mentions it, so it also counts as used if its own file mentions
// it.
import fs from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { workspaceFile } from './workspace-packages.ts'

const folders = ['protocol', 'realtime', 'ui/src', 'clients', 'tests', 'tools']
const configFiles = ['eslint.config.js', 'vite.config.ts', 'vitest.config.ts', 'svelte.config.js']

/** Files that a person, a browser or a tool starts. Nothing imports them. */
const entries = [
  /^realtime\/(main|cli)\.ts$/,
  /^ui\/src\/main\.ts$/,
  /^clients\/(typescript|react|svelte|vue)\/src\/(client|node|observe|protocol|react|svelte|vue)\.ts$/,
  /^clients\/conformance\/src\/(cli|conformance)\.ts$/,
  /^tests\/conformance-kit\/typescript-adapter\.ts$/,
  /^tests\/packages\/readme-runner\.ts$/,
  /^clients\/ai-sdk\/src\/(ai-sdk|transport)\.ts$/,
  /^clients\/persist\/src\/(persist|svelte)\.ts$/,
  /^clients\/devtools\/src\/devtools\.ts$/,
  /\.test\.ts$/,
  /^tests\/harness\/global-setup\.ts$/,
  /^tools\/run-reporter\.ts$/,
  /\.config\.(ts|js)$/,
]

interface Module {
  /** Name -> line of its first declaration. */
  exported: Map<string, number>
  /** The names that are imported from elsewhere; `*` stands for all. */
  imported: { from: string; name: string }[]
}

const everything = '*'

/** The script parts of a Svelte component; other files as they are. */
function scriptOf(file: string, text: string): string {
  if (!file.endsWith('.svelte')) return text
  return [...text.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g)]
    .map(([, script]) => script)
    .join('\n')
}

function readModule(file: string, text: string): Module {
  const source = ts.createSourceFile(file, scriptOf(file, text), ts.ScriptTarget.Latest)
  const module: Module = { exported: new Map(), imported: [] }
  const values = new Set<string>()
  const mentions = new Map<string, number>()

  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) mentions.set(node.text, (mentions.get(node.text) ?? 0) + 1)
    for (const name of exportedNames(node)) {
      if (!isType(node)) values.add(name.text)
      if (module.exported.has(name.text)) continue
      module.exported.set(
        name.text,
        source.getLineAndCharacterOfPosition(name.getStart(source)).line + 1,
      )
    }
    const { specifier, names } = importsOf(node)
    const from =
      specifier && ts.isStringLiteral(specifier) ? fileOf(file, specifier.text) : undefined
    if (from !== undefined) {
      for (const name of names) module.imported.push({ from, name })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  for (const name of module.exported.keys()) {
    if (!values.has(name) && (mentions.get(name) ?? 0) > 1) module.exported.delete(name)
  }
  return module
}

/** The file that an import means; undefined for packages from elsewhere. */
const fileOf = (importer: string, specifier: string): string | undefined =>
  specifier.startsWith('.')
    ? path.posix.join(path.posix.dirname(importer), specifier)
    : workspaceFile(specifier)

const isType = (node: ts.Node): boolean =>
  ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)

/** The names that a statement exports. */
function exportedNames(node: ts.Node): ts.Identifier[] {
  if (ts.isExportDeclaration(node)) {
    return node.exportClause && ts.isNamedExports(node.exportClause)
      ? node.exportClause.elements.map(({ name }) => name).filter(ts.isIdentifier)
      : []
  }
  const modifiers = ts.canHaveModifiers(node) ? ts.getModifiers(node) : undefined
  if (!modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return []
  if (ts.isVariableStatement(node))
    return node.declarationList.declarations.flatMap(({ name }) => boundNames(name))
  const name = ts.getNameOfDeclaration(node as ts.Declaration)
  return name !== undefined && ts.isIdentifier(name) ? [name] : []
}

/** The names that a declaration binds: its own, or those in its pattern. */
function boundNames(name: ts.BindingName): ts.Identifier[] {
  if (ts.isIdentifier(name)) return [name]
  return name.elements.flatMap((element) =>
    ts.isBindingElement(element) ? boundNames(element.name) : [],
  )
}

/** The names that a node imports, and from where. Without a specifier, it imports nothing. */
function importsOf(node: ts.Node): { specifier?: ts.Node; names: string[] } {
  if (ts.isImportDeclaration(node)) {
    const bindings = node.importClause?.namedBindings
    if (bindings === undefined) return { names: [] }
    const names = ts.isNamespaceImport(bindings)
      ? [everything]
      : bindings.elements.map(originalName)
    return { specifier: node.moduleSpecifier, names }
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
    const clause = node.exportClause
    const names =
      clause && ts.isNamedExports(clause) ? clause.elements.map(originalName) : [everything]
    return { specifier: node.moduleSpecifier, names }
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return { specifier: node.argument.literal, names: [everything] }
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return { specifier: node.arguments[0], names: [everything] }
  }
  return { names: [] }
}

const originalName = (specifier: ts.ImportSpecifier | ts.ExportSpecifier): string =>
  (specifier.propertyName ?? specifier.name).text

/**
 * The exports that no other file imports, as `file:line name`, in the order of the files.
 * @param texts path in the repository (with `/`) -> the file's text
 */
export function unusedExports(texts: Map<string, string>): string[] {
  const modules = new Map([...texts].map(([file, text]) => [file, readModule(file, text)]))
  const used = new Set(
    [...modules.values()].flatMap(({ imported }) => imported.map(({ from, name }) => from + name)),
  )
  return [...modules]
    .filter(([file]) => !entries.some((entry) => entry.test(file)))
    .filter(([file]) => !used.has(file + everything))
    .flatMap(([file, { exported }]) =>
      [...exported]
        .filter(([name]) => !used.has(file + name))
        .map(([name, line]) => `${file}:${line} ${name}`),
    )
}

/** Every source file below the repository's folders, by its path there. */
function readSources(root: string): Map<string, string> {
  const found = folders
    .filter((folder) => fs.existsSync(path.join(root, folder)))
    .flatMap((folder) =>
      fs
        .readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
        .map((name) => `${folder}/${name}`),
    )
    .filter((file) => /\.(ts|mjs|svelte)$/.test(file))
  return new Map(
    [...found.sort(), ...configFiles].map((file) => [
      file,
      fs.readFileSync(path.join(root, file), 'utf8'),
    ]),
  )
}

if (process.argv[1] === import.meta.filename) {
  const unused = unusedExports(readSources(path.resolve(import.meta.dirname, '..')))
  for (const line of unused) process.stdout.write(`${line} is exported but imported nowhere\n`)
  process.exitCode = unused.length === 0 ? 0 : 1
}
