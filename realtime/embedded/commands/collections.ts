// Commands on databases and collections: `create`, `drop`, `dropDatabase`, `renameCollection`,
// `collMod`, `listCollections`, `listDatabases`.
import { isDoc, type Doc } from '../bson/codec.ts'
import { toNumber } from '../bson/numbers.ts'
import { refusal } from '../errors.ts'
import { samePattern } from '../plan/planner.ts'
import { parseFilter, truthy } from '../query/filter.ts'
import { compileFilter } from '../query/match.ts'
import { documentSource } from '../query/select.ts'
import type { Collection } from '../storage/catalog.ts'
import { parseIndexSpec } from '../storage/index-spec.ts'
import {
  checkCollation,
  collectionName,
  optionalCount,
  optionalDoc,
  type CommandDefinition,
} from './command.ts'
import { openCursor } from './cursor-commands.ts'

const unsupported = [
  'capped',
  'timeseries',
  'clusteredIndex',
  'viewOn',
  'validator',
  'changeStreamPreAndPostImages',
  'encryptedFields',
  'expireAfterSeconds',
]

export const create: CommandDefinition = {
  fields: [
    ...unsupported,
    'pipeline',
    'collation',
    'size',
    'max',
    'validationLevel',
    'validationAction',
    'idIndex',
    'storageEngine',
    'indexOptionDefaults',
    'flags',
    'autoIndexId',
    'temp',
  ],
  run(request) {
    const { engine, command, db } = request
    const name = collectionName(request)
    checkCollation(command)
    const option = unsupported.find(
      (field) => command[field] !== undefined && command[field] !== false,
    )
    if (option) throw refusal('NotImplemented', `the option '${option}' of create is not supported`)
    if (!engine.catalog.find(db, name)) engine.catalog.create(db, name)
    return { body: {} }
  },
}

export const drop: CommandDefinition = {
  fields: [],
  run(request) {
    const { engine, db } = request
    const collection = engine.catalog.find(db, collectionName(request))
    if (!collection) throw refusal('NamespaceNotFound', 'ns not found')
    const nIndexesWas = collection.indexes.length
    engine.writer.drop(collection)
    return { body: { nIndexesWas, ns: collection.ns } }
  },
}

export const dropDatabase: CommandDefinition = {
  fields: [],
  run({ engine, db }) {
    const existed = engine.catalog.list(db).length > 0
    engine.writer.dropDatabase(db)
    return { body: existed ? { dropped: db } : {} }
  },
}

export const renameCollection: CommandDefinition = {
  fields: ['to', 'dropTarget'],
  run(request) {
    const { engine, command } = request
    if (request.db !== 'admin')
      throw refusal('Unauthorized', 'renameCollection may only be run against the admin database.')
    const [from, to] = [command.renameCollection, command.to].map((ns) => splitNamespace(ns))
    const collection = engine.catalog.find(...from!)
    if (!collection)
      throw refusal('NamespaceNotFound', `Source collection ${from!.join('.')} does not exist`)
    const target = engine.catalog.find(...to!)
    if (target === collection)
      throw refusal('IllegalOperation', "Can't rename a collection to itself")
    if (target && !truthy(command.dropTarget))
      throw refusal('NamespaceExists', 'target namespace exists')
    if (target) engine.writer.drop(target)
    engine.writer.rename(collection, ...to!)
    return { body: {} }
  },
}

function splitNamespace(ns: unknown): [string, string] {
  const dot = typeof ns === 'string' ? ns.indexOf('.') : -1
  if (typeof ns !== 'string' || dot < 1)
    throw refusal('InvalidNamespace', `Invalid namespace: ${String(ns)}`)
  return [ns.slice(0, dot), ns.slice(dot + 1)]
}

/** `collMod` can only change the expiry time of a TTL index. */
export const collMod: CommandDefinition = {
  fields: [
    'index',
    'changeStreamPreAndPostImages',
    'validator',
    'validationLevel',
    'validationAction',
    'expireAfterSeconds',
  ],
  run(request) {
    const { engine, command, db } = request
    const collection = engine.catalog.find(db, collectionName(request))
    if (!collection) throw refusal('NamespaceNotFound', 'ns does not exist')
    const unexpected = ['changeStreamPreAndPostImages', 'validator', 'expireAfterSeconds'].find(
      (field) => command[field] !== undefined,
    )
    if (unexpected)
      throw refusal('NotImplemented', `the option '${unexpected}' of collMod is not supported`)
    const change = optionalDoc(command, 'index')
    if (Object.keys(change).length === 0) return { body: {} }
    const index = collection.indexes.find(({ name, keyPattern }) =>
      change.name === undefined
        ? isDoc(change.keyPattern) && samePattern(keyPattern, change.keyPattern)
        : name === change.name,
    )
    if (!index) throw refusal('IndexNotFound', `cannot find index for ns ${collection.ns}`)
    const seconds = toNumber(change.expireAfterSeconds)
    if (seconds === undefined) throw refusal('InvalidOptions', 'no expireAfterSeconds field')
    engine.catalog.replaceIndexSpec(
      collection,
      index,
      parseIndexSpec({ ...index.source, expireAfterSeconds: change.expireAfterSeconds }),
    )
    return {
      body: {
        expireAfterSeconds_old: index.source.expireAfterSeconds ?? null,
        expireAfterSeconds_new: change.expireAfterSeconds,
      },
    }
  },
}

export const listCollections: CommandDefinition = {
  fields: ['filter', 'nameOnly', 'authorizedCollections', 'cursor'],
  run(request) {
    const { engine, command, db } = request
    const matches = compileFilter(parseFilter(optionalDoc(command, 'filter')))
    const nameOnly = truthy(command.nameOnly)
    const described = engine.catalog.list(db).map((collection) => describe(collection, nameOnly))
    const batchSize = optionalCount(optionalDoc(command, 'cursor'), 'batchSize') ?? Infinity
    return openCursor(
      request,
      `${db}.$cmd.listCollections`,
      documentSource(described.filter((doc) => matches(doc))),
      { batchSize },
    )
  },
}

function describe(collection: Collection, nameOnly: boolean): Doc {
  const { name, uuid, options, indexes } = collection
  if (nameOnly) return { name, type: 'collection' }
  return {
    name,
    type: 'collection',
    options,
    info: { readOnly: false, uuid },
    idIndex: indexes[0]!.source,
  }
}

export const listDatabases: CommandDefinition = {
  fields: ['filter', 'nameOnly', 'authorizedDatabases'],
  run({ engine, command }) {
    const matches = compileFilter(parseFilter(optionalDoc(command, 'filter')))
    const nameOnly = truthy(command.nameOnly)
    const databases = engine.catalog
      .databaseNames()
      .map((name): Doc => (nameOnly ? { name } : { name, sizeOnDisk: 0, empty: false }))
    const found = databases.filter((doc) => matches(doc))
    return { body: { databases: found, ...(nameOnly ? {} : { totalSize: 0, totalSizeMb: 0 }) } }
  },
}
