// Compiles aggregation expressions. An operator that isn't known here is refused when the command
// is parsed, with MongoDB's code for an unknown one.
import { Doc, type Field } from '../bson/doc.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import {
  computed,
  constantOf,
  valueAtPath,
  type Bound,
  type Expression,
  type Variables,
} from './expression.ts'
import { operators } from './operators.ts'

/** Compiles an expression. Refuses unknown operators and variables. */
export function compileExpression(
  expression: unknown,
  variables: Variables = new Map(),
): Expression {
  return compileIn(expression, variables, new Set())
}

function compileIn(
  expression: unknown,
  variables: Variables,
  bound: ReadonlySet<string>,
): Expression {
  if (typeof expression === 'string') return compileText(expression, variables, bound)
  if (Array.isArray(expression)) {
    const items = expression.map((item: unknown) => compileIn(item, variables, bound))
    return computed(items, (values) => values.map((value) => value ?? null))
  }
  if (!isDoc(expression)) return constantOf(expression)
  if (expression.firstName.startsWith('$')) return compileOperator(expression, variables, bound)
  const names = expression.fields.map(({ name }) => checkedName(name))
  const values = expression.fields.map(({ value }) => compileIn(value, variables, bound))
  return computed(values, (found) =>
    Doc.of(
      found.flatMap((value, at) => (value === undefined ? [] : [[names[at]!, value] as const])),
    ),
  )
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
    const path = text.slice(1).split('.')
    checkPath(path)
    const [only] = path
    return {
      constant: false,
      of: path.length === 1 ? (root) => root.get(only!) : (root) => valueAtPath(root, path),
    }
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
  for (let found = bound; found; found = found.outer) if (found.name === name) return found.value
  return undefined
}

function checkPath(path: readonly string[]): void {
  if (path.join('.') === '' && path.length === 1)
    throw locationRefusal(16872, "'$' by itself is not a valid FieldPath")
  if (path.at(-1) === '') throw locationRefusal(40353, "FieldPath must not end with a '.'.")
  if (path.some((part) => part === ''))
    throw locationRefusal(15998, 'FieldPath field names may not be empty strings.')
  if (path.some((part) => part.startsWith('$')))
    throw locationRefusal(16410, "FieldPath field names may not start with '$'.")
  if (path.some((part) => part.includes('\0')))
    throw locationRefusal(16411, 'FieldPath field names may not contain null bytes.')
}

function compileOperator(
  expression: Doc,
  variables: Variables,
  bound: ReadonlySet<string>,
): Expression {
  if (expression.size !== 1) {
    throw locationRefusal(
      15983,
      `An object representing an expression must have exactly one field: ${expression.fields.map(({ name }) => name).join(', ')}`,
    )
  }
  const [{ name, value: operand }] = expression.fields as [Field]
  if (!Object.hasOwn(operators, name))
    throw refusal('InvalidPipelineOperator', `Unrecognized expression '${name}'`)
  const compileInner = (inner: unknown, variable?: string): Expression =>
    compileIn(inner, variables, variable === undefined ? bound : new Set([...bound, variable]))
  return operators[name]!(operand, compileInner, name)
}
