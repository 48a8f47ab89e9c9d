// Stages that make several documents out of one or one out of several.
import { Int32, Long } from 'bson'
import { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { isNullish, type Variables } from '../expression/expression.ts'
import { pause } from '../pace.ts'
import { parseFilter } from '../query/filter.ts'
import { compileFilter } from '../query/match.ts'
import { parseSort, sortKeyOf, type SortPattern } from '../query/sort.ts'
import { Sorter, type SortEntry } from '../query/sorter.ts'
import { encode } from '../bson/encode.ts'
import { compileDocumentStage, documentStages } from './document-stages.ts'
import { stageOf, type StreamStage } from './flow.ts'
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
      return counted(operand, variables)
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

const each = (turn: (doc: Doc) => Iterable<Doc>): StreamStage => stageOf(() => ({ each: turn }))

interface SortedDoc extends SortEntry {
  readonly doc: Doc
}

function sorted(pattern: SortPattern, allowDiskUse: boolean): StreamStage {
  return stageOf(() => {
    const sorter = new Sorter<SortedDoc>(Infinity, allowDiskUse)
    let number = 0
    return {
      each(doc) {
        const key = sortKeyOf(doc, pattern)
        sorter.add({ key, number: number++, doc }, key.length + encode(doc).length)
        return []
      },
      *end() {
        for (let entry = sorter.next(); entry; entry = sorter.next()) yield entry.doc
      },
    }
  })
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

/** `$count` is a group of all documents without its `_id`, as in MongoDB. */
function counted(name: unknown, variables: Variables): StreamStage {
  if (typeof name !== 'string' || name === '')
    throw locationRefusal(name === '' ? 40157 : 40156, 'the count field must be a non-empty string')
  if (name.startsWith('$'))
    throw locationRefusal(40158, 'the count field cannot be a $-prefixed path')
  if (name.includes('.')) throw locationRefusal(40160, "the count field cannot contain '.'")
  const one = Doc.of([['$sum', new Int32(1)]])
  const group = compileGroup(Doc.of(Object.entries({ _id: null, [name]: one })), variables)
  const named = each((doc) => [doc.without('_id')])
  return (documents) => named(group(documents))
}

/** The options of `$unwind`: their types, and the code of another type. */
const unwindOptions = new Map<string, [type: string, code: number]>([
  ['path', ['string', 28808]],
  ['includeArrayIndex', ['string', 28810]],
  ['preserveNullAndEmptyArrays', ['bool', 28809]],
])

function unwind(operand: unknown): (doc: Doc) => Iterable<Doc> {
  const spec = isDoc(operand) ? operand : Doc.of([['path', operand]])
  for (const { name, value } of spec.fields) {
    const [type, code] = unwindOptions.get(name) ?? []
    if (!type) throw locationRefusal(28811, `unrecognized option to $unwind stage: ${name}`)
    if (typeOf(value) !== type)
      throw locationRefusal(code!, `expected a ${type} for the ${name} option to $unwind stage`)
  }
  const path = spec.get('path') as string | undefined
  const indexField = spec.get('includeArrayIndex') as string | undefined
  if (path === undefined) throw locationRefusal(28812, 'no path specified to $unwind stage')
  if (!path.startsWith('$'))
    throw locationRefusal(28818, `path option to $unwind stage should begin with a '$': ${path}`)
  if (indexField === '' || indexField?.startsWith('$'))
    throw locationRefusal(28822, 'includeArrayIndex should not be prefixed with a $')
  const preserve = spec.get('preserveNullAndEmptyArrays') === true
  const parts = path.slice(1).split('.')
  const numbered = (doc: Doc, index: number | null): Doc => {
    if (indexField === undefined) return doc
    return withValue(doc, indexField.split('.'), index === null ? null : Long.fromNumber(index))
  }
  return (doc) => {
    const value = valueAt(doc, parts)
    if (Array.isArray(value) && value.length > 0)
      return value.map((element, index) => numbered(withValue(doc, parts, element), index))
    if (Array.isArray(value))
      return preserve ? [numbered(withValue(doc, parts, undefined), null)] : []
    return preserve || !isNullish(value) ? [numbered(doc, null)] : []
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
