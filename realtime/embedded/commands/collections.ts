import { Doc } from '../bson/doc.ts'
import { encode, identical } from '../bson/encode.ts'
import { isDoc } from '../bson/type-of.ts'
import { sourceOf } from '../cursors/cursors.ts'
import { refusal } from '../errors.ts'
import { isTrue } from '../expression/expression.ts'
import { pace } from '../pace.ts'
import { samePattern } from '../plan/planner.ts'
import { parseFilter } from '../query/filter.ts'
import type { Collection, Index } from '../storage/catalog.ts'
import { parseIndexSpec, type IndexSpec } from '../storage/index-keys.ts'
import {
  checkCollation,
  collectionName,
  optionalCount,
  optionalDoc,
  refuseOptions,
  wrongType,
  type CommandDefinition,
  type CommandRequest,
} from './command.ts'
import { openCursor } from './cursor-commands.ts'

/** The options of MongoDB 5.0 that would make another kind of collection, or another index. */
const unsupported =
  'autoIndexId capped clusteredIndex encryptedFields changeStreamPreAndPostImages expireAfterSeconds flags idIndex indexOptionDefaults max pipeline size storageEngine temp timeseries validationAction validationLevel validator viewOn'

export const create: CommandDefinition = {
  fields: 'collation',
  refused: unsupported,
  run(request) {
    request.engine.collection(request.db, collectionName(request))
    return {}
  },
}

export const drop: CommandDefinition = {
  fields: '',
  run(request) {
    const { engine, db } = request
    const collection = engine.catalog.find(db, collectionName(request))
    if (!collection) throw refusal('NamespaceNotFound', 'ns not found')
    const nIndexesWas = collection.indexes.length
    engine.documents.drop(collection)
    return { nIndexesWas, ns: collection.ns }
  },
}

export const dropDatabase: CommandDefinition = {
  fields: '',
  run({ engine, db }) {
    const existed = engine.catalog.list(db).length > 0
    engine.documents.dropDatabase(db)
    return existed ? { dropped: db } : {}
  },
}

export const listCollections: CommandDefinition = {
  fields: 'filter nameOnly authorizedCollections cursor',
  run(request) {
    const { engine, command, db } = request
    const { matches } = parseFilter(optionalDoc(command, 'filter'))
    const nameOnly = isTrue(command.get('nameOnly'))
    const described = engine.catalog.list(db).map((collection) => describe(collection, nameOnly))
    const found = described.filter((doc) => matches(doc))
    const batchSize = optionalCount(optionalDoc(command, 'cursor'), 'batchSize') ?? Infinity
    const source = sourceOf(found.map(encode))
    return openCursor(request, `${db}.$cmd.listCollections`, source, { batchSize })
  },
}

function describe({ name, uuid, options, indexes }: Collection, nameOnly: boolean): Doc {
  const named = { name, type: 'collection' }
  if (nameOnly) return Doc.literal(named)
  const info = Doc.literal({ readOnly: false, uuid })
  return Doc.literal({ ...named, options, info, idIndex: indexes[0]!.source })
}

export const listDatabases: CommandDefinition = {
  fields: 'filter nameOnly authorizedDatabases',
  run({ engine, command }) {
    const { matches } = parseFilter(optionalDoc(command, 'filter'))
    const sizes = isTrue(command.get('nameOnly')) ? {} : { sizeOnDisk: 0, empty: false }
    const names = new Set(engine.catalog.collections().map((collection) => collection.db))
    const databases = [...names].map((name) => Doc.literal({ name, ...sizes }))
    return { databases: databases.filter((doc) => matches(doc)), totalSize: 0 }
  },
}

/** `createIndexes` creates all the indexes or none of them. */
export const createIndexes: CommandDefinition = {
  fields: 'indexes commitQuorum ignoreUnknownIndexOptions',
  async run(request) {
    const { engine, command, db } = request
    const name = collectionName(request)
    const given = command.get('indexes')
    if (!Array.isArray(given) || given.length === 0)
      throw refusal('BadValue', 'Must specify at least one index to create')
    const specs = given.map((spec: unknown) => {
      if (!isDoc(spec)) throw wrongType('createIndexes.indexes', spec)
      if (!spec.has('name')) throw refusal('FailedToParse', "An index needs the field 'name'")
      checkCollation(spec)
      refuseOptions(spec, 'hidden')
      return parseIndexSpec(spec)
    })
    const createdCollectionAutomatically = engine.catalog.find(db, name) === undefined
    const collection = engine.collection(db, name)
    // Another client may be building the same index.
    while (!collection.dropped && collection.indexes.some(isUnfinished)) await pace.rest()
    const numIndexesBefore = collection.indexes.length
    const missing = specs.filter(
      (spec, at) => !exists(collection.indexes, spec) && !exists(specs.slice(0, at), spec),
    )
    await add(request, collection, missing)
    const note = missing.length === 0 ? 'all indexes already exist' : undefined
    const numIndexesAfter = collection.indexes.length
    return { numIndexesBefore, numIndexesAfter, createdCollectionAutomatically, note }
  },
}

function isUnfinished(index: Index): boolean {
  return index.builtTo !== Infinity
}

async function add(
  { engine }: CommandRequest,
  collection: Collection,
  specs: readonly IndexSpec[],
): Promise<void> {
  const added: Index[] = []
  try {
    for (const spec of specs) {
      const index = engine.catalog.addIndex(collection, spec)
      added.push(index)
      await engine.documents.build(collection, index)
    }
    for (const index of added) engine.catalog.finishIndex(index)
  } catch (error) {
    for (const index of added) if (!index.dropped) engine.catalog.dropIndex(collection, index)
    throw error
  }
}

/** Whether the same index exists already. Refuses an index that conflicts with an existing one. */
function exists(present: readonly IndexSpec[], spec: IndexSpec): boolean {
  for (const index of present) {
    const sameKey =
      samePattern(index.keyPattern, spec.keyPattern) &&
      sameOption(index, spec, 'partialFilterExpression')
    const sameOptions = ['unique', 'sparse', 'expireAfterSeconds'].every((option) =>
      sameOption(index, spec, option),
    )
    const conflict = `the index '${spec.name}' conflicts with the existing index '${index.name}'`
    if (index.name === spec.name) {
      if (sameKey && (sameOptions || index.name === '_id_')) return true
      throw refusal('IndexKeySpecsConflict', conflict)
    }
    if (sameKey && spec.fields.join() === '_id') return true
    if (sameKey) throw refusal('IndexOptionsConflict', conflict)
  }
  return false
}

function sameOption(a: IndexSpec, b: IndexSpec, option: string): boolean {
  return identical(a.source.get(option) || null, b.source.get(option) || null)
}

export const listIndexes: CommandDefinition = {
  fields: 'cursor',
  run(request) {
    const { command, db } = request
    const { indexes, name } = existing(request)
    const batchSize = optionalCount(optionalDoc(command, 'cursor'), 'batchSize') ?? Infinity
    const finished = indexes.filter((index) => !isUnfinished(index))
    const source = sourceOf(finished.map((index) => encode(index.source)))
    return openCursor(request, `${db}.$cmd.listIndexes.${name}`, source, { batchSize })
  },
}

function existing(request: CommandRequest): Collection {
  const name = collectionName(request)
  const collection = request.engine.catalog.find(request.db, name)
  if (!collection) throw refusal('NamespaceNotFound', `ns does not exist: ${request.db}.${name}`)
  return collection
}

/** `dropIndexes` takes names, a key pattern, or `*` for all indexes except that on `_id`. */
export const dropIndexes: CommandDefinition = {
  fields: 'index',
  run(request) {
    const { engine, command } = request
    const collection = existing(request)
    const nIndexesWas = collection.indexes.length
    const dropped = targets(collection, command.get('index'))
    engine.documents.atomically(() =>
      dropped.forEach((index) => engine.catalog.dropIndex(collection, index)),
    )
    return { nIndexesWas }
  },
}

function targets(collection: Collection, wanted: unknown): Index[] {
  if (wanted === '*') return collection.indexes.filter((index) => index.name !== '_id_')
  if (Array.isArray(wanted)) return wanted.flatMap((name: unknown) => targets(collection, name))
  const found = collection.indexes.find((index) =>
    isDoc(wanted) ? samePattern(index.keyPattern, wanted) : index.name === wanted,
  )
  if (!found) {
    const what = isDoc(wanted) ? 'this key' : `name [${String(wanted)}]`
    throw refusal('IndexNotFound', `index not found with ${what}`)
  }
  if (found.name === '_id_') throw refusal('InvalidOptions', 'cannot drop _id index')
  return [found]
}
