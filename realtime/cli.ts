#!/usr/bin/env node
// The entry point of `lockstep <command>`, with which operators maintain a deployment by hand. It
// uses the same settings as the nodes.
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { runProgram } from './program.ts'

// Whatever this process writes is for its user alone.
process.umask(0o077)

process.exitCode = await runProgram(process.argv.slice(2), process.env, {
  async print(line) {
    if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain')
  },
  tell: (line) => void process.stderr.write(`${line}\n`),
  readInput: () => text(process.stdin),
  onInterrupt(stop) {
    process.once('SIGINT', stop)
    return { [Symbol.dispose]: () => void process.off('SIGINT', stop) }
  },
})
