// Child processes of a test. The invariant: whatever happens to a test or its worker, no child outlives the run. Each notes its pid and
// birth in a directory; a worker that exits kills its own, and the run's teardown kills what a killed worker left behind.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { eventually } from './eventually.ts'

/** Name of the environment variable that tells workers where to note their children; set by the run's set-up. */
export const PID_DIRECTORY = 'LOCKSTEP_TEST_PROCESSES'

export interface ProcessOptions {
  command: string
  args: readonly string[]
  /** Added to the own environment; undefined removes a variable. */
  env?: Record<string, string | undefined>
  cwd?: string
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A running child. It is killed when it goes out of scope (`await using`). */
export class TestProcess implements AsyncDisposable {
  readonly child: ChildProcess
  /** Every line it has written to stdout and stderr. */
  readonly output: string[] = []
  /** How it ended. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>

  constructor(child: ChildProcess, forget: () => void) {
    this.child = child
    for (const stream of [child.stdout!, child.stderr!])
      createInterface({ input: stream }).on('line', (line) => this.output.push(line))
    this.exited = once(child, 'exit').then(([code, signal]) => {
      forget()
      return { code: code as number | null, signal: signal as NodeJS.Signals | null }
    })
  }

  get pid(): number {
    return this.child.pid!
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** The first line that `matches`; fails early when the process ends without it. */
  async line(matches: RegExp, { within }: { within?: number } = {}): Promise<string> {
    const find = () => this.output.find((line) => matches.test(line))
    const found = await eventually(() => find() ?? (this.alive ? undefined : null), {
      within,
      what: `a line ${matches}`,
    })
    if (found !== null) return found
    const last = this.output.slice(-20).join('\n')
    throw new Error(`${this.child.spawnargs.join(' ')} ended before it wrote ${matches}:\n${last}`)
  }

  /** Sends a signal to this process alone. */
  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }

  /** kill -9, and waits for the end. */
  async kill(): Promise<void> {
    if (this.alive) this.child.kill('SIGKILL')
    await this.exited
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}

/** Starts a program that belongs to this test run. */
export async function startProcess({ command, args, env = {}, cwd }: ProcessOptions): Promise<TestProcess> {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const spawned = once(child, 'spawn')
  const owned = new TestProcess(child, () => {
    running.delete(child)
    if (note) rmSync(note, { force: true })
  })
  await spawned
  const note = recordOf(child.pid!)
  if (note) writeFileSync(note, startTimeOf(child.pid!))
  return owned
}

/** Kills every process that is still noted in this directory, and only those: a pid that somebody else got meanwhile has another birth. */
export function killRecorded(directory: string): void {
  for (const name of readdirSync(directory)) {
    const pid = Number(name)
    if (readFileSync(join(directory, name), 'utf8') === startTimeOf(pid)) process.kill(pid, 'SIGKILL')
  }
}

function recordOf(pid: number): string | undefined {
  const directory = process.env[PID_DIRECTORY]
  if (!directory) return undefined
  mkdirSync(directory, { recursive: true })
  return join(directory, String(pid))
}

/** When the process began, in the kernel's ticks; a text that no living process has where it can't be told. */
function startTimeOf(pid: number): string {
  try {
    // Field 22; the second one is the program's name in parentheses and may contain anything.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[19]!
  } catch {
    return `unknown at ${Date.now()}`
  }
}
