// Stages that make several documents out of one or one out of several.
import { Int32, Long } from 'bson'
import { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { isNullish, type Variables } from '../expression/expression.ts'
import { pace, pause } from '../pace.ts'
import { parseFilter } from '../query/filter.ts'
import { compileFilter } from '../query/match.ts'
import { parseSort, sortKeyOf, type SortPattern } from '../query/sort.ts'
import { Sorter, type SortEntry } from '../query/sorter.ts'
import { encode } from '../bson/encode.ts'
import { compileDocumentStage, documentStages } from './document-stages.ts'
import type { StreamStage } from './flow.ts'
import { compileGroup } from './group.ts'

/** Stages that MongoDB 5.0 has and the engine doesn't claim. */
const unsupportedStages = new Set(
  '$bucket $bucketAuto $collStats $currentOp $facet $geoNear $graphLookup $indexStats $listLocalSessions $listSessions $lookup $merge $out $planCacheStats $redact $sample $search $setWindowFields $sortByCount $unionWith'.split(
    ' ',
  ),
)

/** The stages that the engine claims, besides `$changeStream`. */
export const stageNames = [
  ...Object.keys(documentStages),
  ...['$count', '$group', '$limit', '$match', '$skip', '$sort', '$unwind'],
]

/** Compiles a stage. */
export function compileStage(stage: Doc, variables: Variables, allowDiskUse: boolean): StreamStage {
  const name = stage.firstName
  const operand = stage.get(name)
  const transform = compileDocumentStage(name, operand, variables)
  if (transform) return each((doc) => [transform(doc)])
  switch (name) {
    case '$match': {
      const matches = compileFilter(parseFilter(matchOf(operand), variables))
      return each((doc) => (matches(doc) ? [doc] : []))
    }
    case '$sort':
      return sorted(sortOf(operand), allowDiskUse)
    case '$skip':
      return sliced(countOf(name, operand), Infinity)
    case '$limit':
      return sliced(0, countOf(name, operand))
    case '$group':
      return compileGroup(operand, variables)
    case '$count':
      return counted(operand)
    case '$unwind':
      return each(unwind(operand))
    case '$changeStream':
      throw locationRefusal(40602, '$changeStream is only valid as the first stage in a pipeline.')
  }
  if (unsupportedStages.has(name))
    throw refusal('NotImplemented', `the stage ${name} is not supported`)
  throw locationRefusal(40324, `Unrecognized pipeline stage name: '${name}'`)
}

/** The operand of `$match`. */
export function matchOf(operand: unknown): Doc {
  if (isDoc(operand)) return operand
  throw locationRefusal(15959, 'the match filter must be an expression in an object')
}

/** The operand of `$sort`. */
export function sortOf(operand: unknown): SortPattern {
  if (!isDoc(operand)) throw locationRefusal(15973, 'the $sort key specification must be an object')
  const pattern = parseSort(operand)
  if (!pattern) throw locationRefusal(15976, '$sort stage must have at least one sort key')
  return pattern
}

/** The operand of `$skip` and `$limit`. */
export function countOf(name: '$skip' | '$limit', operand: unknown): number {
  const count = toNumber(operand)
  const [code, least] = name === '$limit' ? [5107201, 1] : [5107200, 0]
  if (name === '$limit' && count === 0) throw locationRefusal(15958, 'the limit must be positive')
  if (count !== undefined && Number.isInteger(count) && count >= least) return count
  throw locationRefusal(code, `invalid argument to ${name} stage: ${String(operand)}`)
}

function each(turn: (doc: Doc) => Iterable<Doc>): StreamStage {
  return function* (documents) {
    for (const doc of documents) {
      if (doc === pause) yield pause
      else yield* turn(doc)
    }
  }
}

interface SortedDoc extends SortEntry {
  readonly doc: Doc
}

function sorted(pattern: SortPattern, allowDiskUse: boolean): StreamStage {
  return function* (documents) {
    const sorter = new Sorter<SortedDoc>(Infinity, allowDiskUse)
    let number = 0
    for (const doc of documents) {
      if (doc === pause) {
        yield pause
        continue
      }
      const key = sortKeyOf(doc, pattern)
      sorter.add({ key, number: number++, doc }, key.length + encode(doc).length)
    }
    for (let entry = sorter.next(); entry; entry = sorter.next()) {
      if (pace.isDue) yield pause
      yield entry.doc
    }
  }
}

function sliced(skip: number, limit: number): StreamStage {
  return function* (documents) {
    let at = 0
    for (const doc of documents) {
      if (doc !== pause && at++ < skip) continue
      yield doc
      if (doc !== pause && at - skip >= limit) return
    }
  }
}

function counted(operand: unknown): StreamStage {
  if (typeof operand !== 'string')
    throw locationRefusal(40156, 'the count field must be a non-empty string')
  if (operand === '') throw locationRefusal(40157, 'the count field must be a non-empty string')
  if (operand.startsWith('$'))
    throw locationRefusal(40158, 'the count field cannot be a $-prefixed path')
  if (operand.includes('.')) throw locationRefusal(40160, "the count field cannot contain '.'")
  return function* (documents) {
    let count = 0
    for (const doc of documents) {
      if (doc === pause) yield pause
      else count++
    }
    if (count > 0) yield Doc.of([[operand, new Int32(count)]])
  }
}

function unwind(operand: unknown): (doc: Doc) => Iterable<Doc> {
  const spec = isDoc(operand) ? operand : Doc.of([['path', operand]])
  for (const { name, value } of spec.fields) {
    const expected = {
      path: 'string',
      includeArrayIndex: 'string',
      preserveNullAndEmptyArrays: 'bool',
    }
    if (!Object.hasOwn(expected, name))
      throw locationRefusal(28811, `unrecognized option to $unwind stage: ${name}`)
    if (typeOf(value) !== expected[name as keyof typeof expected])
      throw locationRefusal(
        { path: 28808, includeArrayIndex: 28810, preserveNullAndEmptyArrays: 28809 }[name]!,
        `expected a ${expected[name as keyof typeof expected]} for the ${name} option to $unwind stage, got ${typeOf(value)}`,
      )
  }
  const [path, indexField] = [spec.get('path'), spec.get('includeArrayIndex')]
  if (typeof path !== 'string') throw locationRefusal(28812, 'no path specified to $unwind stage')
  if (!path.startsWith('$'))
    throw locationRefusal(
      28818,
      `path option to $unwind stage should be prefixed with a '$': ${path}`,
    )
  if (typeof indexField === 'string' && (indexField === '' || indexField.startsWith('$')))
    throw locationRefusal(
      28822,
      'includeArrayIndex option to $unwind stage should not be prefixed with a $',
    )
  const preserve = spec.get('preserveNullAndEmptyArrays') === true
  const parts = path.slice(1).split('.')
  const indexParts = typeof indexField === 'string' ? indexField.split('.') : undefined
  const numbered = (doc: Doc, index: number | null): Doc =>
    indexParts ? withValue(doc, indexParts, index === null ? null : Long.fromNumber(index)) : doc
  return function* (doc) {
    const value = valueAt(doc, parts)
    if (Array.isArray(value) && value.length > 0) {
      for (const [index, element] of value.entries())
        yield numbered(withValue(doc, parts, element), index)
    } else if (!isNullish(value) && !Array.isArray(value)) {
      yield numbered(doc, null)
    } else if (preserve) {
      yield numbered(Array.isArray(value) ? withValue(doc, parts, undefined) : doc, null)
    }
  }
}

function valueAt(doc: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => (isDoc(value) ? value.get(name) : undefined), doc)
}

function withValue(doc: Doc, path: readonly string[], value: unknown): Doc {
  const [name, ...rest] = path as [string, ...string[]]
  const inner = doc.get(name)
  const next = rest.length === 0 ? value : withValue(isDoc(inner) ? inner : Doc.empty, rest, value)
  return next === undefined ? doc.without(name) : doc.with(name, next)
}
