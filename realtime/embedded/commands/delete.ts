// The command `delete`. Each of its statements deletes one matching document or all of them.
import { isDoc } from '../bson/codec.ts'
import { toNumber } from '../bson/numbers.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { parseFilter } from '../query/filter.ts'
import {
  checkCollation,
  collectionName,
  optionalDoc,
  variablesOf,
  type CommandDefinition,
} from './command.ts'
import { runStatements } from './statements.ts'
import { selectAll, statementsOf } from './update.ts'

export const remove: CommandDefinition = {
  fields: ['deletes', 'ordered', 'let'],
  writes: true,
  run(request) {
    const name = collectionName(request)
    const { engine, db } = request
    const variables = variablesOf(request.command)
    const statements = statementsOf(request, 'deletes', ['q', 'limit', 'collation', 'hint'])
    if (
      request.command.txnNumber !== undefined &&
      statements.some((statement) => toNumber(statement.limit) === 0)
    ) {
      throw refusal('InvalidOptions', 'Cannot use retryable writes with limit=0')
    }
    return runStatements(request, statements, (statement) => {
      checkCollation(statement)
      const limit = toNumber(statement.limit)
      if (limit !== 0 && limit !== 1)
        throw refusal(
          'FailedToParse',
          `The limit field in delete objects must be 0 or 1. Got ${String(statement.limit)}`,
        )
      if (!isDoc(statement.q))
        throw locationRefusal(
          40414,
          "BSON field 'delete.deletes.q' is missing but a required field",
        )
      const filter = parseFilter(optionalDoc(statement, 'q'), variables)
      const collection = engine.catalog.find(db, name)
      const found = collection
        ? selectAll(engine, collection, { filter, limit, hint: statement.hint })
        : []
      for (const { row, bytes } of found) engine.writer.delete(collection!, row, bytes)
      return { n: found.length }
    })
  },
}
