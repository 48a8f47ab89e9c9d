// A logger that keeps its lines, so that a test can read them.
import { Writable } from 'node:stream'
import { createLogger } from '../../realtime/observability/logger.ts'

export function recordingLogger() {
  const lines: string[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString())
      done()
    },
  })
  return { lines, logger: createLogger('trace', stream) }
}
