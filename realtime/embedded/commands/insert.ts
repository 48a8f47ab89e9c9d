// The command `insert`. Each document is inserted completely or not at all; an ordered batch ends
// at the first refusal.
import { collectionName, givenDocs, type CommandDefinition } from './command.ts'
import { runStatements } from './statements.ts'

export const insert: CommandDefinition = {
  fields: 'documents ordered bypassDocumentValidation',
  writes: true,
  run(request) {
    const name = collectionName(request)
    const { engine, db } = request
    engine.store.requireSpace()
    return runStatements(request, givenDocs(request, 'documents'), (doc) => {
      engine.documents.insert(engine.collection(db, name), doc)
      return { n: 1 }
    })
  },
}
