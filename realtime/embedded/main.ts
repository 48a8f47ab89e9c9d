#!/usr/bin/env node
// The command `embedded-mongo`: the database as a process of its own. It prints one line of JSON
// with its `url` as soon as it accepts connections. SIGTERM or SIGINT stops it in order, with exit
// code 0. A failure ends it with exit code 1 and a sentence on stderr.
import { parseArgs } from 'node:util'
import { defaultSettings } from './settings.ts'
import { startEmbedded, type EmbeddedOptions } from './start.ts'

/** The settings, which are numbers, by their options: `--ttl-sweep-ms` sets `ttlSweepMs`. */
const numberSettings = Object.entries(defaultSettings)
  .filter(([, value]) => typeof value === 'number')
  .map(([name]) => [name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`), name] as const)

function readCommandLine(): EmbeddedOptions {
  const texts = ['data-dir', 'socket', 'port', ...numberSettings.map(([option]) => option)]
  const textOptions = texts.map((name) => [name, { type: 'string' as const }] as const)
  const testOption = { 'test-commands': { type: 'boolean' as const } }
  const { values } = parseArgs({ options: { ...Object.fromEntries(textOptions), ...testOption } })
  const text = (option: string): string | undefined => {
    const value = (values as Readonly<Record<string, string | boolean | undefined>>)[option]
    return typeof value === 'string' ? value : undefined
  }
  const dataDir = text('data-dir')
  if (dataDir === undefined) throw new Error('Name the directory of the data: --data-dir DIR')
  const port = text('port') === undefined ? undefined : Number(text('port'))
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port < 65_536))
    throw new Error('--port must be a number from 0 to 65535')
  const given = numberSettings.filter(([option]) => text(option) !== undefined)
  const numbers = given.map(([option, name]): [string, number] => {
    const value = Number(text(option))
    if (Number.isFinite(value) && value > 0) return [name, value]
    throw new Error(`--${option} must be a positive number`)
  })
  const socket = text('socket')
  const testCommands = values['test-commands'] === true
  return { ...Object.fromEntries(numbers), testCommands, dataDir, socket, port, onFault: fail }
}

function fail(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}

try {
  const { url, stop } = await startEmbedded(readCommandLine())
  const end = (): void => void stop().then(() => process.exit(0), fail)
  process.once('SIGTERM', end)
  process.once('SIGINT', end)
  process.stdout.write(`${JSON.stringify({ url })}\n`)
} catch (error) {
  fail(error)
}
