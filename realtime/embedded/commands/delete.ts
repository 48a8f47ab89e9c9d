// The command `delete`. Each of its statements deletes one matching document or all of them.
import { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { pace } from '../pace.ts'
import { parseFilter } from '../query/filter.ts'
import { compileFilter } from '../query/match.ts'
import {
  checkCollation,
  checkFields,
  collectionName,
  givenDocs,
  variablesOf,
  type CommandDefinition,
} from './command.ts'
import { matchingRows } from './matching-rows.ts'
import { runStatements } from './statements.ts'

export const remove: CommandDefinition = {
  fields: ['deletes', 'ordered', 'let'],
  writes: true,
  run(request) {
    const name = collectionName(request)
    const { engine, db } = request
    const variables = variablesOf(request.command)
    const statements = givenDocs(request, 'deletes')
    for (const statement of statements)
      checkFields('deletes', statement, ['q', 'limit', 'collation', 'hint'])
    if (
      request.command.has('txnNumber') &&
      statements.some((statement) => toNumber(statement.get('limit')) === 0)
    ) {
      throw refusal('InvalidOptions', 'Cannot use retryable writes with limit=0')
    }
    return runStatements(request, statements, async (statement) => {
      checkCollation(statement)
      if (!statement.has('limit'))
        throw locationRefusal(
          40414,
          "BSON field 'delete.deletes.limit' is missing but a required field",
        )
      const limit = toNumber(statement.get('limit'))
      if (limit !== 0 && limit !== 1)
        throw refusal(
          'FailedToParse',
          `The limit field in delete objects must be 0 or 1. Got ${String(statement.get('limit'))}`,
        )
      const query = statement.get('q')
      if (!isDoc(query))
        throw locationRefusal(
          40414,
          "BSON field 'delete.deletes.q' is missing but a required field",
        )
      const filter = parseFilter(query, variables)
      const collection = engine.catalog.find(db, name)
      if (!collection) return { n: 0 }
      const found = await matchingRows(engine, collection, {
        filter,
        limit,
        hint: statement.get('hint'),
      })
      const matches = compileFilter(filter)
      let n = 0
      for (const { row } of found) {
        const bytes = collection.dropped ? undefined : engine.documents.find(collection, row)
        if (bytes && matches(Doc.read(bytes))) {
          engine.writer.delete(collection, row, bytes)
          n++
        }
        if (limit === 0 && pace.isDue) await pace.rest()
      }
      return { n }
    })
  },
}
