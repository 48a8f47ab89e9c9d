// Commands on databases and collections: `create`, `drop`, `dropDatabase`, `renameCollection`,
// `listCollections`, `listDatabases`.
import { Doc } from '../bson/doc.ts'
import { refusal } from '../errors.ts'
import { isTrue } from '../expression/truth.ts'
import { parseFilter } from '../query/filter.ts'
import { compileFilter } from '../query/match.ts'
import { documentSource } from '../query/select.ts'
import type { Collection } from '../storage/catalog.ts'
import {
  checkCollation,
  collectionName,
  optionalCount,
  optionalDoc,
  type CommandDefinition,
} from './command.ts'
import { openCursor } from './cursor-commands.ts'

/** The options of MongoDB 5.0 that would make another kind of collection, or another index. */
const unsupported = [
  'autoIndexId',
  'capped',
  'clusteredIndex',
  'encryptedFields',
  'changeStreamPreAndPostImages',
  'expireAfterSeconds',
  'flags',
  'idIndex',
  'indexOptionDefaults',
  'max',
  'pipeline',
  'size',
  'storageEngine',
  'temp',
  'timeseries',
  'validationAction',
  'validationLevel',
  'validator',
  'viewOn',
]

export const create: CommandDefinition = {
  fields: [...unsupported, 'collation'],
  run(request) {
    const { engine, command, db } = request
    const name = collectionName(request)
    checkCollation(command)
    const option = unsupported.find((field) => command.has(field) && command.get(field) !== false)
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
    const [from, to] = [command.get('renameCollection'), command.get('to')].map((ns) =>
      splitNamespace(ns),
    )
    const collection = engine.catalog.find(...from!)
    if (!collection)
      throw refusal('NamespaceNotFound', `Source collection ${from!.join('.')} does not exist`)
    const target = engine.catalog.find(...to!)
    if (target === collection)
      throw refusal('IllegalOperation', "Can't rename a collection to itself")
    if (target && !isTrue(command.get('dropTarget')))
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

export const listCollections: CommandDefinition = {
  fields: ['filter', 'nameOnly', 'authorizedCollections', 'cursor'],
  run(request) {
    const { engine, command, db } = request
    const matches = compileFilter(parseFilter(optionalDoc(command, 'filter')))
    const nameOnly = isTrue(command.get('nameOnly'))
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
  const named = Doc.of([
    ['name', name],
    ['type', 'collection'],
  ])
  if (nameOnly) return named
  return named
    .with('options', options)
    .with(
      'info',
      Doc.of([
        ['readOnly', false],
        ['uuid', uuid],
      ]),
    )
    .with('idIndex', indexes[0]!.source)
}

export const listDatabases: CommandDefinition = {
  fields: ['filter', 'nameOnly', 'authorizedDatabases'],
  run({ engine, command }) {
    const matches = compileFilter(parseFilter(optionalDoc(command, 'filter')))
    const nameOnly = isTrue(command.get('nameOnly'))
    const databases = engine.catalog.databaseNames().map((name) => {
      const named = Doc.of([['name', name]])
      return nameOnly ? named : named.with('sizeOnDisk', 0).with('empty', false)
    })
    const found = databases.filter((doc) => matches(doc))
    return { body: { databases: found, ...(nameOnly ? {} : { totalSize: 0, totalSizeMb: 0 }) } }
  },
}
