// The embedded database as a process of its own, so that a test can kill it the hard way and start it again on the same data.
import { startProcess, type OwnedProcess } from './processes.ts'
import { programPath } from './programs.ts'

export interface Engine extends AsyncDisposable {
  /** `mongodb://…`, without a database's name. */
  url: string
  process: OwnedProcess
}

/**
 * Starts the engine on `dataDir`, with its fail points (`configureFailPoint`); `args` are added to its command line: `--port 0` for an
 * address that a wire can be put before.
 */
export async function startEngine(dataDir: string, args: readonly string[] = []): Promise<Engine> {
  const owned = await startProcess({
    command: process.execPath,
    args: [programPath('embedded-mongo'), '--data-dir', dataDir, '--test-commands', ...args],
  })
  const line = await owned.line(/^\{.*"url"/, { within: 90_000 })
  const { url } = JSON.parse(line) as { url: string }
  return { url, process: owned, [Symbol.asyncDispose]: () => owned.kill() }
}
