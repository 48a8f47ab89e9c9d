// The command `aggregate`, which also opens change streams.
import { parsePipeline, runPipeline } from '../aggregate/pipeline.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { isTrue } from '../expression/expression.ts'
import {
  checkCollation,
  optionalCount,
  variablesOf,
  wrongType,
  type CommandDefinition,
} from './command.ts'
import { openCursor } from './cursor-commands.ts'
import { openStream } from './open-stream.ts'

export const aggregate: CommandDefinition = {
  fields: 'pipeline cursor allowDiskUse bypassDocumentValidation collation hint let',
  reads: true,
  run(request) {
    const { engine, command, db } = request
    checkCollation(command)
    const given = command.get('pipeline')
    if (!Array.isArray(given)) throw wrongType('pipeline', given)
    const stages = given.map((stage: unknown) => {
      if (!isDoc(stage)) throw wrongType('pipeline', stage)
      if (stage.size === 1) return stage
      throw locationRefusal(40323, 'A pipeline stage must contain exactly one field.')
    })
    const cursor = command.get('cursor')
    if (!isDoc(cursor)) throw refusal('FailedToParse', "The 'cursor' option is required")
    const batchSize = optionalCount(cursor, 'batchSize') ?? 101
    const name = targetOf(command.get('aggregate'))
    const ns = `${db}.${name ?? '$cmd.aggregate'}`
    if (stages[0]?.firstName === '$changeStream') {
      const stream = openStream(request, stages, name)
      return openCursor(request, ns, stream, { batchSize, stream })
    }
    if (name === undefined)
      throw refusal('NotImplemented', 'an aggregation without a collection is not supported')
    const allowDiskUse = isTrue(command.get('allowDiskUse'))
    const pipeline = parsePipeline(stages, variablesOf(command), allowDiskUse)
    const collection = engine.catalog.find(db, name)
    const output = runPipeline(pipeline, engine, collection, command.get('hint'))
    return openCursor(request, ns, output, { batchSize })
  },
}

function targetOf(target: unknown): string | undefined {
  if (typeof target === 'string') return target
  if (toNumber(target) === 1) return undefined
  throw refusal('FailedToParse', "The 'aggregate' field must specify a collection name or 1")
}
