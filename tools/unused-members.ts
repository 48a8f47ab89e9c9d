// Lists members that nobody uses: public members of classes, members of exported constant objects,
// and functions that an interface declares. A member is used if an expression outside its class (or
// outside its own initializer) reads it.
//
// TypeScript resolves each access to the declarations that it may mean. A class or an object may
// also be used through an interface that it satisfies, so an access to an interface's member counts
// for every class, object and interface with a member of that name that is assignable to it. Svelte
// components aren't part of the program: every name that one reads counts as a use.
import fs from 'node:fs'
import path from 'node:path'
import ts from 'typescript'

interface Candidate {
  name: string
  declaration: ts.Declaration
  /** Accesses within this node don't count. */
  owner: ts.Node
  /** The type that has the member, to find the interfaces through which it may be used. */
  type: ts.Type
}

const isFunction = (type: ts.Type): boolean =>
  type.isUnion() ? type.types.some(isFunction) : type.getCallSignatures().length > 0

const hasModifier = (node: ts.Node, kind: ts.SyntaxKind): boolean =>
  ts.canHaveModifiers(node) && (ts.getModifiers(node)?.some((one) => one.kind === kind) ?? false)

/** The name of a member that others can write down: no `#private`, no computed names. */
function publicName(member: ts.ClassElement | ts.TypeElement | ts.ObjectLiteralElementLike) {
  const { name } = member
  if (name === undefined || !(ts.isIdentifier(name) || ts.isStringLiteral(name))) return undefined
  const { PrivateKeyword, ProtectedKeyword, OverrideKeyword } = ts.SyntaxKind
  const hidden = [PrivateKeyword, ProtectedKeyword, OverrideKeyword]
  return hidden.some((kind) => hasModifier(member, kind)) ? undefined : name.text
}

class Uses {
  readonly #checker: ts.TypeChecker
  /** Member declaration -> where it is accessed. */
  readonly #accesses = new Map<ts.Node, ts.Node[]>()
  /** Name -> the interfaces and type literals whose member of that name is accessed. */
  readonly #throughInterfaces = new Map<string, Set<ts.Node>>()
  /** Names that are read where the type isn't known: in templates, in type arguments, of `any`. */
  readonly #names: Set<string>
  /**
   * Constants and interfaces that are passed on as a whole, so that any of their members may be
   * read.
   */
  readonly #wholes = new Set<ts.Node>()

  constructor(checker: ts.TypeChecker, names: Iterable<string>) {
    this.#checker = checker
    this.#names = new Set(names)
  }

  collect(node: ts.Node): void {
    if (ts.isPropertyAccessExpression(node)) {
      this.#access(this.#checker.getSymbolAtLocation(node.name), node, node.name.text)
    } else if (ts.isElementAccessExpression(node) && ts.isStringLiteral(node.argumentExpression)) {
      const { text } = node.argumentExpression
      const type = this.#checker.getTypeAtLocation(node.expression)
      this.#access(type.getProperty(text), node, text)
    } else if (ts.isElementAccessExpression(node)) {
      // an access by a name that is only known at run time
      this.#accessAll(this.#checker.getTypeAtLocation(node.expression), node)
    } else if (ts.isObjectBindingPattern(node)) {
      const type = this.#checker.getTypeAtLocation(node)
      for (const { propertyName, name, dotDotDotToken } of node.elements) {
        const key = propertyName ?? name
        if (dotDotDotToken) this.#accessAll(type, node)
        else if (ts.isIdentifier(key) || ts.isStringLiteral(key))
          this.#access(type.getProperty(key.text), node, key.text)
      }
    } else if (ts.isSpreadAssignment(node)) {
      this.#accessAll(this.#checker.getTypeAtLocation(node.expression), node)
    } else if (ts.isLiteralTypeNode(node) && ts.isStringLiteral(node.literal)) {
      if (namesMember(node)) this.#names.add(node.literal.text)
    } else if (ts.isTypeReferenceNode(node)) {
      this.#noteTypeArguments(node)
    } else if (ts.isIdentifier(node)) {
      this.#noteWhole(node)
    }
    ts.forEachChild(node, (child) => this.collect(child))
  }

  #access(symbol: ts.Symbol | undefined, at: ts.Node, name: string): void {
    if (!symbol?.declarations) return void this.#names.add(name)
    for (const declaration of symbol.declarations) {
      this.#accesses.set(declaration, [...(this.#accesses.get(declaration) ?? []), at])
      // A constant that is read from a module's namespace goes on under a local name.
      if (ts.isVariableDeclaration(declaration)) this.#wholes.add(declaration)
      const { parent } = declaration
      if (!parent || !(ts.isInterfaceDeclaration(parent) || ts.isTypeLiteralNode(parent))) continue
      const parents = this.#throughInterfaces.get(name) ?? new Set()
      this.#throughInterfaces.set(name, parents.add(parent))
    }
  }

  #accessAll(type: ts.Type, at: ts.Node): void {
    for (const property of type.getProperties()) this.#access(property, at, property.name)
  }

  /** A constant's name where no member of it is named: `Object.keys(x)`, `x[key]`, `typeof x`. */
  #noteWhole(node: ts.Identifier): void {
    const { parent } = node
    if (ts.isPropertyAccessExpression(parent)) return
    if (ts.isVariableDeclaration(parent) && parent.name === node) return
    if (ts.isImportSpecifier(parent) || ts.isExportSpecifier(parent)) return
    if (ts.isElementAccessExpression(parent) && ts.isStringLiteral(parent.argumentExpression))
      return
    let symbol = this.#checker.getSymbolAtLocation(node)
    if (symbol && symbol.flags & ts.SymbolFlags.Alias)
      symbol = this.#checker.getAliasedSymbol(symbol)
    const declaration = symbol?.valueDeclaration
    if (declaration && ts.isVariableDeclaration(declaration)) this.#wholes.add(declaration)
  }

  /** An interface that is given to another package's generic type is read there as a whole. */
  #noteTypeArguments({ typeName, typeArguments }: ts.TypeReferenceNode): void {
    if (typeArguments === undefined || !this.#isForeign(typeName)) return
    for (const argument of typeArguments)
      for (const one of this.#checker.getTypeAtLocation(argument).symbol?.declarations ?? [])
        this.#wholes.add(one)
  }

  #isForeign(name: ts.EntityName): boolean {
    let symbol = this.#checker.getSymbolAtLocation(name)
    if (symbol && symbol.flags & ts.SymbolFlags.Alias)
      symbol = this.#checker.getAliasedSymbol(symbol)
    return symbol?.declarations?.some(isForeign) ?? false
  }

  has({ name, declaration, owner, type }: Candidate): boolean {
    if (this.#names.has(name) || this.#wholes.has(owner)) return true
    const isOutside = (node: ts.Node) =>
      !isWithin(node, isExportedConstant(owner) ? declaration : owner)
    if (this.#accesses.get(declaration)?.some(isOutside)) return true
    const interfaces = [...(this.#throughInterfaces.get(name) ?? [])]
    return interfaces.some((one) => one !== owner && this.#satisfies(type, one))
  }

  #satisfies(type: ts.Type, declaration: ts.Node): boolean {
    if (ts.isInterfaceDeclaration(declaration) && declaration.typeParameters) return true
    return this.#checker.isTypeAssignableTo(type, this.#checker.getTypeAtLocation(declaration))
  }
}

/** Whether a declaration is another package's; TypeScript's own library isn't one. */
const isForeign = (declaration: ts.Node): boolean =>
  /\/node_modules\/(?!typescript\/)/.test(declaration.getSourceFile().fileName)

/** Whether a literal type stands where members are chosen: `T['name']`, `Pick<T, 'a' | 'b'>`. */
function namesMember(node: ts.LiteralTypeNode): boolean {
  const { parent } = ts.isUnionTypeNode(node.parent) ? node.parent : node
  return ts.isIndexedAccessTypeNode(parent) || ts.isTypeReferenceNode(parent)
}

function isWithin(node: ts.Node, outer: ts.Node): boolean {
  for (let at = node; at !== undefined; at = at.parent) if (at === outer) return true
  return false
}

const isExportedConstant = (node: ts.Node): node is ts.VariableDeclaration =>
  ts.isVariableDeclaration(node)

const nameOf = (node: ts.Node): string =>
  ts.getNameOfDeclaration(node as ts.Declaration)?.getText() ?? ''

function candidatesIn(source: ts.SourceFile, checker: ts.TypeChecker): Candidate[] {
  const found: Candidate[] = []

  const visit = (node: ts.Node): void => {
    if (ts.isClassDeclaration(node)) {
      const type = checker.getTypeAtLocation(node)
      const above = (node.heritageClauses ?? []).flatMap(({ types }) =>
        types.map((one) => checker.getTypeAtLocation(one)),
      )
      for (const declaration of node.members) {
        const name = publicName(declaration)
        const isAsked = (base: ts.Type) =>
          base.getProperty(name ?? '')?.declarations?.some(isForeign) ?? false
        if (name === undefined || above.some(isAsked)) continue
        found.push({ name, declaration, owner: node, type })
      }
    } else if (ts.isInterfaceDeclaration(node)) {
      const type = checker.getTypeAtLocation(node)
      for (const declaration of node.members) {
        const name = publicName(declaration)
        if (name === undefined || !isFunction(checker.getTypeAtLocation(declaration))) continue
        found.push({ name, declaration, owner: node, type })
      }
    } else if (ts.isVariableStatement(node) && hasModifier(node, ts.SyntaxKind.ExportKeyword)) {
      for (const owner of node.declarationList.declarations) {
        const literal = objectLiteral(owner.initializer)
        if (literal === undefined) continue
        const type = checker.getTypeAtLocation(owner)
        for (const declaration of literal.properties) {
          const name = publicName(declaration)
          if (name !== undefined) found.push({ name, declaration, owner, type })
        }
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** The object that an initializer writes down, also with `as const` or `satisfies` after it. */
function objectLiteral(node: ts.Expression | undefined): ts.ObjectLiteralExpression | undefined {
  if (node === undefined) return undefined
  if (ts.isObjectLiteralExpression(node)) return node
  return ts.isAsExpression(node) || ts.isSatisfiesExpression(node)
    ? objectLiteral(node.expression)
    : undefined
}

/**
 * The members that nobody uses, as `file:line Owner.member`, in the order of the files.
 * @param components the texts of Svelte components, which may use any member that they name
 */
export function unusedMembers(
  program: ts.Program,
  root: string,
  components: readonly string[],
): string[] {
  const checker = program.getTypeChecker()
  const uses = new Uses(checker, components.flatMap(namesReadBy))
  const whole = new Set(components.flatMap(namesPassedBy))
  const sources = program
    .getSourceFiles()
    .filter((file) => !file.isDeclarationFile && !file.fileName.includes('/node_modules/'))
  for (const source of sources) uses.collect(source)
  return sources.flatMap((source) =>
    candidatesIn(source, checker)
      .filter((candidate) => !uses.has(candidate) && !whole.has(nameOf(candidate.owner)))
      .map(({ name, declaration, owner }) => {
        const { line } = source.getLineAndCharacterOfPosition(declaration.getStart(source))
        return `${path.relative(root, source.fileName)}:${line + 1} ${nameOf(owner)}.${name}`
      }),
  )
}

/** The names that a component reads from some object: `a.name`, `const { name } = a`. */
function namesReadBy(component: string): string[] {
  const accesses = component.matchAll(/\.\s*([A-Za-z_$][\w$]*)/g)
  const patterns = component.matchAll(/\{([\w$\s,:=]*)\}\s*(?:=|\)\s*=>|\})/g)
  return [
    ...[...accesses].map(([, name]) => name!),
    ...[...patterns].flatMap(([, names]) => names!.match(/[A-Za-z_$][\w$]*/g) ?? []),
  ]
}

/** The names that a component uses without reading a member of theirs. */
const namesPassedBy = (component: string): string[] =>
  component.match(/(?<![\w$.])[A-Za-z_$][\w$]*(?=\s*[[)])/g) ?? []

function readComponents(root: string): string[] {
  return fs
    .readdirSync(path.join(root, 'ui/src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.svelte'))
    .map((name) => fs.readFileSync(path.join(root, 'ui/src', name), 'utf8'))
}

if (process.argv[1] === import.meta.filename) {
  const root = path.resolve(import.meta.dirname, '..')
  const { config } = ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile)
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  const uiFiles = fs.globSync('ui/src/**/*.ts', { cwd: root }).map((file) => path.join(root, file))
  const program = ts.createProgram([...fileNames, ...uiFiles], options)
  const unused = unusedMembers(program, root, readComponents(root))
  for (const line of unused) process.stdout.write(`${line} is public, but nobody uses it\n`)
  process.exitCode = unused.length === 0 ? 0 : 1
}
