// Compiles aggregation expressions. An operator that isn't known here is refused when the command
// is parsed, with MongoDB's code for an unknown one.
import { Doc } from '../bson/doc.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import {
  computed,
  constantOf,
  valueAtPath,
  type Bound,
  type CompileInner,
  type Expression,
  type Variables,
} from './expression.ts'
import { operators } from './operators.ts'

/** Compiles an expression. Refuses unknown operators and variables. */
export function compileExpression(
  expression: unknown,
  variables: Variables = new Map(),
  bound: ReadonlySet<string> = new Set(),
): Expression {
  const compile: CompileInner = (inner, variable) =>
    compileExpression(inner, variables, variable ? new Set([...bound, variable]) : bound)
  if (typeof expression === 'string') return compileText(expression, variables, bound)
  if (Array.isArray(expression)) {
    const items = expression.map((item: unknown) => compile(item))
    return computed(items, (values) => values.map((value) => value ?? null))
  }
  if (!isDoc(expression)) return constantOf(expression)
  if (expression.firstName.startsWith('$')) return compileOperator(expression, compile)
  const names = expression.fields.map(({ name }) => checkedName(name))
  const values = expression.fields.map(({ value }) => compile(value))
  return computed(values, (found) => {
    const fields = found.map((value, at) => [names[at]!, value] as const)
    return Doc.of(fields.filter(([, value]) => value !== undefined))
  })
}

function compileOperator(expression: Doc, compile: CompileInner): Expression {
  const name = expression.firstName
  if (expression.size !== 1)
    throw locationRefusal(15983, `An object with ${name} must have exactly one field`)
  if (Object.hasOwn(operators, name)) return operators[name]!(expression.get(name), compile, name)
  throw refusal('InvalidPipelineOperator', `Unrecognized expression '${name}'`)
}

function checkedName(name: string): string {
  if (name.includes('.'))
    throw locationRefusal(16412, `FieldPath field names may not contain '.': ${name}`)
  if (name.startsWith('$'))
    throw locationRefusal(16410, "FieldPath field names may not start with '$'.")
  return name
}

function compileText(text: string, variables: Variables, bound: ReadonlySet<string>): Expression {
  if (!text.startsWith('$')) return constantOf(text)
  if (!text.startsWith('$$')) {
    if (text === '$') throw locationRefusal(16872, "'$' by itself is not a valid FieldPath")
    const path = text.slice(1).split('.')
    checkPath(path)
    return { constant: false, of: (root) => valueAtPath(root, path) }
  }
  const [name, ...rest] = text.slice(2).split('.') as [string, ...string[]]
  if (rest.length > 0) checkPath(rest)
  if (bound.has(name))
    return { constant: false, of: (_, found) => valueAtPath(valueOf(name, found), rest) }
  if (name === 'ROOT' || name === 'CURRENT')
    return { constant: false, of: (root) => valueAtPath(root, rest) }
  if (name === 'REMOVE') return constantOf(undefined)
  if (!variables.has(name)) throw locationRefusal(17276, `Use of undefined variable: ${name}`)
  return constantOf(valueAtPath(variables.get(name), rest))
}

function valueOf(name: string, bound: Bound | undefined): unknown {
  return bound?.name === name ? bound.value : bound && valueOf(name, bound.outer)
}

/** Refuses a path that no field can have. */
export function checkPath(path: readonly string[]): void {
  if (path.at(-1) === '') throw locationRefusal(40353, "FieldPath must not end with a '.'.")
  if (path.includes('')) throw locationRefusal(15998, 'FieldPath field names may not be empty.')
  if (path.some((part) => part.startsWith('$')))
    throw locationRefusal(16410, "FieldPath field names may not start with '$'.")
  if (path.some((part) => part.includes('\0')))
    throw locationRefusal(16411, 'FieldPath field names may not contain null bytes.')
}
