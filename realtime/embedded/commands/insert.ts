// `insert`: documents one by one, each whole or not at all; an ordered batch ends at the first refusal.
import { refusal } from '../errors.ts'
import type { Reply } from './reply.ts'
import { collectionName, type Command, type Request } from './request.ts'
import { runStatements } from './statements.ts'

/** The command. */
export const insert: Command = {
  fields: ['documents', 'ordered', 'bypassDocumentValidation'],
  writes: true,
  run(request: Request): Reply {
    const documents = request.sequences.get('documents')
    if (!documents)
      throw refusal(
        'Location40414',
        "BSON field 'insert.documents' is missing but a required field",
      )
    const name = collectionName(request)
    const { engine, db } = request
    return runStatements(request, documents, (bytes) => {
      engine.writer.insert(engine.collection(db, name), bytes)
      return { n: 1 }
    })
  },
}
