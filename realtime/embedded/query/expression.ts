// Aggregation expressions. Paths, literals, objects and arrays are evaluated here, on exact BSON
// values. Operators are mingo's and work on plain JavaScript values. An unknown operator is refused
// when the command is parsed.
import { Context, evalExpr } from 'mingo/core'
import * as expressionOperators from 'mingo/operators/expression'
import type { Options } from 'mingo/types'
import { fieldsOf, getField, isDoc, setField, type Doc } from '../bson/codec.ts'
import { locationRefusal, refusal, ServerError } from '../errors.ts'
import { exactOperators } from './exact-operators.ts'
import { toBsonNumbers, toPlainNumbers } from './number-types.ts'

/**
 * The values of `$$name`: the `let` of the command, and NOW, which is the same throughout a
 * command.
 */
export type Variables = Readonly<Record<string, unknown>>

/** A compiled expression. It returns undefined for a missing value. */
export type Expression = (doc: Doc) => unknown

const excludedOperators = new Set(['$function', '$accumulator', '$toHashedIndexKey'])
/**
 * Operators that MongoDB 4.4 lacks. They are refused, because everything that works here has to
 * work on every server that Lockstep supports.
 */
const operatorsAfter44 = new Set(
  '$getField $setField $unsetField $sortArray $firstN $lastN $minN $maxN $median $percentile $dateAdd $dateSubtract $dateDiff $dateTrunc $bitAnd $bitOr $bitXor $bitNot'.split(
    ' ',
  ),
)
const supportedOperators = Object.fromEntries(
  Object.entries({ ...expressionOperators, ...exactOperators }).filter(
    ([name]) => !excludedOperators.has(name) && !operatorsAfter44.has(name),
  ),
)
const context = Context.init({ expression: supportedOperators as never })

/** Compiles an expression. Refuses unknown operators and variables. */
export function compileExpression(expression: unknown, variables: Variables = {}): Expression {
  if (typeof expression === 'string') return compileText(expression, variables)
  if (Array.isArray(expression)) {
    const items = expression.map((item: unknown) => compileExpression(item, variables))
    return (doc) => items.map((item) => item(doc) ?? null)
  }
  if (!isDoc(expression)) return () => expression
  const names = Object.keys(expression)
  if (names[0]?.startsWith('$')) return compileOperator(names, expression, variables)
  const fields = Object.entries(expression).map(
    ([name, value]) => [name, compileExpression(value, variables)] as const,
  )
  return (doc) => {
    const result: Doc = {}
    for (const [name, evaluate] of fields) {
      const value = evaluate(doc)
      if (value !== undefined) setField(result, name, value)
    }
    return result
  }
}

function compileText(text: string, variables: Variables): Expression {
  if (!text.startsWith('$')) return () => text
  if (!text.startsWith('$$')) {
    const path = text.slice(1).split('.')
    checkPath(path)
    return (doc) => valueAtPath(doc, path)
  }
  const [name, ...rest] = text.slice(2).split('.') as [string, ...string[]]
  switch (name) {
    case 'ROOT':
    case 'CURRENT':
      return (doc) => valueAtPath(doc, rest)
    case 'REMOVE':
      return () => undefined
  }
  if (!Object.hasOwn(variables, name))
    throw locationRefusal(17276, `Use of undefined variable: ${name}`)
  return () => valueAtPath(variables[name], rest)
}

function checkPath(path: readonly string[]): void {
  if (path.some((part) => part === ''))
    throw locationRefusal(15974, 'FieldPath must not contain empty parts')
  if (path.some((part) => part.startsWith('$')))
    throw locationRefusal(16979, "FieldPath field names may not start with '$'.")
}

/**
 * The value at a path by the rules of expressions: an array on the way yields the array of what its
 * objects have at the rest of the path.
 */
export function valueAtPath(value: unknown, path: readonly string[], from = 0): unknown {
  let current = value
  for (let at = from; at < path.length; at++) {
    if (Array.isArray(current)) {
      return current
        .filter((item) => isDoc(item))
        .map((item) => valueAtPath(item, path, at))
        .filter((item) => item !== undefined)
    }
    if (!isDoc(current)) return undefined
    current = getField(current, path[at]!)
  }
  return current
}

function compileOperator(
  names: readonly string[],
  expression: Doc,
  variables: Variables,
): Expression {
  if (names.length !== 1) {
    throw locationRefusal(
      15983,
      `An object representing an expression must have exactly one field: ${names.join(', ')}`,
    )
  }
  if (names[0] === '$literal') return () => expression.$literal
  const translated = translate(expression, variables, new Set())
  const options = {
    context,
    variables: toPlainNumbers(variables) as Record<string, unknown>,
  } as Partial<Options> as Options
  return (doc) => {
    try {
      return toBsonNumbers(evalExpr(toPlainNumbers(doc), translated, options))
    } catch (error) {
      if (error instanceof ServerError) throw error
      throw refusal('BadValue', error instanceof Error ? error.message : String(error))
    }
  }
}

/** Operators that define `$$this` or `$$value` for their operands. */
const bindingOperators = new Set(['$map', '$filter', '$reduce'])

/**
 * Checks an operator expression and converts its literals for mingo. NOW becomes the time of the
 * command.
 */
function translate(expression: unknown, variables: Variables, bound: ReadonlySet<string>): unknown {
  if (typeof expression === 'string') {
    if (expression === '$$NOW') return variables.NOW
    if (expression.startsWith('$$'))
      checkVariable(expression.slice(2).split('.')[0]!, variables, bound)
    else if (expression.startsWith('$')) checkPath(expression.slice(1).split('.'))
    return expression
  }
  if (Array.isArray(expression))
    return expression.map((item: unknown) => translate(item, variables, bound))
  if (!isDoc(expression)) return toPlainNumbers(expression)
  const [first] = Object.keys(expression)
  if (first === '$literal') return { $literal: toPlainNumbers(expression.$literal) }
  if (first?.startsWith('$') && !Object.hasOwn(supportedOperators, first)) {
    throw refusal('InvalidPipelineOperator', `Unrecognized expression '${first}'`)
  }
  if (first === '$ifNull') checkPair(expression.$ifNull)
  const scope = scopeOf(first, first === undefined ? undefined : expression[first], bound)
  return Object.fromEntries(
    Object.entries(fieldsOf(expression)).map(([name, value]) => [
      name,
      translate(value, variables, scope),
    ]),
  )
}

/** `$ifNull` with more than one replacement came with MongoDB 5.0. */
function checkPair(operands: unknown): void {
  const count = Array.isArray(operands) ? operands.length : 1
  if (count === 2) return
  const message = `Expression $ifNull takes exactly 2 arguments. ${count} were passed in.`
  throw locationRefusal(16020, message)
}

function scopeOf(
  operator: string | undefined,
  operand: unknown,
  bound: ReadonlySet<string>,
): ReadonlySet<string> {
  if (operator === undefined || !isDoc(operand)) return bound
  if (operator === '$let' && isDoc(operand.vars))
    return new Set([...bound, ...Object.keys(operand.vars)])
  if (!bindingOperators.has(operator)) return bound
  return new Set([
    ...bound,
    'this',
    'value',
    ...(typeof operand.as === 'string' ? [operand.as] : []),
  ])
}

const systemVariables = new Set(['ROOT', 'CURRENT', 'REMOVE', 'NOW'])

function checkVariable(name: string, variables: Variables, bound: ReadonlySet<string>): void {
  if (systemVariables.has(name) || bound.has(name) || Object.hasOwn(variables, name)) return
  throw locationRefusal(17276, `Use of undefined variable: ${name}`)
}
