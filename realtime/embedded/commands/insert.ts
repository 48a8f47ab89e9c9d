// The command `insert`. Each document is inserted completely or not at all; an ordered batch ends
// at the first refusal.
import { locationRefusal } from '../errors.ts'
import { collectionName, type CommandDefinition } from './command.ts'
import { runStatements } from './statements.ts'

export const insert: CommandDefinition = {
  fields: ['documents', 'ordered', 'bypassDocumentValidation'],
  writes: true,
  run(request) {
    const documents = request.sequences.get('documents')
    if (!documents)
      throw locationRefusal(40414, "BSON field 'insert.documents' is missing but a required field")
    const name = collectionName(request)
    const { engine, db } = request
    return runStatements(request, documents, (bytes) => {
      engine.writer.insert(engine.collection(db, name), bytes)
      return { n: 1 }
    })
  },
}
