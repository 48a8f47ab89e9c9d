// Commands on databases and collections.
import { Doc } from '../bson/doc.ts'
import { encode } from '../bson/encode.ts'
import { refusal } from '../errors.ts'
import { isTrue } from '../expression/expression.ts'
import { compileFilter, parseFilter } from '../query/filter.ts'
import { sourceOf } from '../query/flow.ts'
import type { Collection } from '../storage/catalog.ts'
import {
  checkCollation,
  collectionName,
  optionalCount,
  optionalDoc,
  refuseOptions,
  type CommandDefinition,
} from './command.ts'
import { openCursor } from './cursor-commands.ts'

/** The options of MongoDB 5.0 that would make another kind of collection, or another index. */
const unsupported =
  'autoIndexId capped clusteredIndex encryptedFields changeStreamPreAndPostImages expireAfterSeconds flags idIndex indexOptionDefaults max pipeline size storageEngine temp timeseries validationAction validationLevel validator viewOn'

export const create: CommandDefinition = {
  fields: `${unsupported} collation`,
  run(request) {
    const { engine, command, db } = request
    const name = collectionName(request)
    checkCollation(command)
    refuseOptions(command, unsupported)
    engine.collection(db, name)
    return { body: {} }
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
    return { body: { nIndexesWas, ns: collection.ns } }
  },
}

export const dropDatabase: CommandDefinition = {
  fields: '',
  run({ engine, db }) {
    const existed = engine.catalog.list(db).length > 0
    engine.documents.dropDatabase(db)
    return { body: existed ? { dropped: db } : {} }
  },
}

export const listCollections: CommandDefinition = {
  fields: 'filter nameOnly authorizedCollections cursor',
  run(request) {
    const { engine, command, db } = request
    const matches = compileFilter(parseFilter(optionalDoc(command, 'filter')))
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
  const info = Doc.of(Object.entries({ readOnly: false, uuid }))
  return Doc.of(
    Object.entries(nameOnly ? named : { ...named, options, info, idIndex: indexes[0]!.source }),
  )
}

export const listDatabases: CommandDefinition = {
  fields: 'filter nameOnly authorizedDatabases',
  run({ engine, command }) {
    const matches = compileFilter(parseFilter(optionalDoc(command, 'filter')))
    const sizes = isTrue(command.get('nameOnly')) ? {} : { sizeOnDisk: 0, empty: false }
    const databases = engine.catalog
      .databaseNames()
      .map((name) => Doc.of(Object.entries({ name, ...sizes })))
    return { body: { databases: databases.filter((doc) => matches(doc)), totalSize: 0 } }
  },
}
