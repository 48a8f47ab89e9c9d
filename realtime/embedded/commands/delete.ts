// The command `delete`. Each of its statements deletes one matching document or all of them.
import { toNumber } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import { parseFilter } from '../query/filter.ts'
import {
  checkCollation,
  checkFields,
  collectionName,
  givenDocs,
  missingField,
  variablesOf,
  type CommandDefinition,
} from './command.ts'
import { eachMatch } from './each-match.ts'
import { runStatements } from './statements.ts'

export const remove: CommandDefinition = {
  fields: 'deletes ordered let',
  writes: true,
  run(request) {
    const { engine, command, db } = request
    const name = collectionName(request)
    const variables = variablesOf(command)
    const statements = givenDocs(request, 'deletes')
    for (const statement of statements) checkFields('deletes', statement, 'q limit collation hint')
    const limits = statements.map((statement) => toNumber(statement.get('limit')))
    if (command.has('txnNumber') && limits.includes(0))
      throw refusal('InvalidOptions', 'Cannot use retryable writes with limit=0')
    return runStatements(request, statements, async (statement, at) => {
      checkCollation(statement)
      if (!statement.has('limit')) throw missingField('delete.deletes.limit')
      const limit = limits[at]
      if (limit !== 0 && limit !== 1)
        throw refusal('FailedToParse', 'The limit field in delete objects must be 0 or 1')
      const query = statement.get('q')
      if (!isDoc(query)) throw missingField('delete.deletes.q')
      const filter = parseFilter(query, variables)
      const collection = engine.catalog.find(db, name)
      let n = 0
      const selection = { filter, limit, hint: statement.get('hint') }
      await eachMatch(engine, collection, selection, (row, doc) => {
        engine.documents.delete(collection!, row, doc.encoded!)
        n++
      })
      return { n }
    })
  },
}
