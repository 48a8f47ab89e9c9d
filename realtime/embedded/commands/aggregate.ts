// The command `aggregate`, which also opens change streams.
import { parsePipeline, runPipeline } from '../aggregate/pipeline.ts'
import { isDoc, type Doc } from '../bson/codec.ts'
import { toNumber } from '../bson/numbers.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { checkCollation, optionalCount, variablesOf, type CommandDefinition } from './command.ts'
import { openCursor } from './cursor-commands.ts'
import { openStream } from './open-stream.ts'

export const aggregate: CommandDefinition = {
  fields: [
    'pipeline',
    'cursor',
    'explain',
    'allowDiskUse',
    'bypassDocumentValidation',
    'collation',
    'hint',
    'let',
  ],
  writes: false,
  run(request) {
    const { engine, command, db } = request
    checkCollation(command)
    const stages = stagesOf(command)
    if (!isDoc(command.cursor))
      throw refusal(
        'FailedToParse',
        "The 'cursor' option is required, except for aggregate with the explain argument",
      )
    const batchSize = optionalCount(command.cursor, 'batchSize') ?? 101
    const name = targetOf(command.aggregate)
    const ns = `${db}.${name ?? '$cmd.aggregate'}`
    const [first] = stages
    if (first && '$changeStream' in first) {
      const stream = openStream(request, stages, name)
      return openCursor(request, ns, stream, { batchSize, stream })
    }
    const last = stages.at(-1)
    const writes = last !== undefined && ('$out' in last || '$merge' in last)
    if (writes && isDoc(command.readConcern) && command.readConcern.level === 'linearizable') {
      throw refusal(
        'InvalidOptions',
        '$out and $merge cannot be used with the read concern linearizable',
      )
    }
    const pipeline = parsePipeline(stages, { engine, db, variables: variablesOf(command) })
    const output = runPipeline(pipeline, name, command.hint)
    return openCursor(request, ns, output, { batchSize })
  },
}

function targetOf(target: unknown): string | undefined {
  if (typeof target === 'string') return target
  if (toNumber(target) === 1) return undefined
  throw refusal(
    'FailedToParse',
    "Invalid command format: the 'aggregate' field must specify a collection name or 1",
  )
}

function stagesOf(command: Doc): Doc[] {
  if (!Array.isArray(command.pipeline))
    throw refusal('TypeMismatch', "'pipeline' option must be specified as an array")
  return command.pipeline.map((stage: unknown) => {
    if (!isDoc(stage))
      throw refusal('TypeMismatch', "Each element of the 'pipeline' array must be an object")
    if (Object.keys(stage).length !== 1) {
      throw locationRefusal(
        40323,
        'A pipeline stage specification object must contain exactly one field.',
      )
    }
    return stage
  })
}
