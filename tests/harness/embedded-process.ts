// The embedded database as a process of its own, so that a test can kill it and start it again on
// the same data.
import { startProcess, type TestProcess } from './processes.ts'
import { programPath } from './programs.ts'

/** A running embedded database. It is killed when it goes out of scope. */
export interface EmbeddedProcess extends AsyncDisposable {
  /** The connection string, without the name of a database. */
  url: string
  process: TestProcess
}

/**
 * Starts the database on `dataDir`. `args` are
 * added to its command line: with `--port 0` it listens at a port, so that a wire can be put in
 * front of it. Rejects with the program's output if it ends before it is ready.
 */
export async function startEmbeddedProcess(
  dataDir: string,
  args: readonly string[] = [],
): Promise<EmbeddedProcess> {
  const owned = await startProcess({
    command: process.execPath,
    args: [programPath('embedded-mongo'), '--data-dir', dataDir, ...args],
  })
  const line = await owned.line(/^\{.*"url"/, { within: 90_000 })
  const { url } = JSON.parse(line) as { url: string }
  return { url, process: owned, [Symbol.asyncDispose]: () => owned.kill() }
}
