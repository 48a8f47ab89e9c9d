// Child processes of tests. The invariant: whatever happens to a test or its worker, no child
// outlives the run. Each child's pid and start time are recorded in a directory. A worker that
// exits kills its own children, and the run's teardown kills what a killed worker left behind.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { eventually } from './eventually.ts'

/** The environment variable with the directory where workers record their children. */
export const PID_DIRECTORY = 'LOCKSTEP_TEST_PROCESSES'

export interface ProcessOptions {
  command: string
  args: readonly string[]
  /** Variables to add to this process's environment; undefined removes one. */
  env?: Record<string, string | undefined>
  cwd?: string
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A running child process. It is killed at the end of its scope (`await using`). */
export class TestProcess implements AsyncDisposable {
  readonly child: ChildProcess
  /** Every line that the process has written to stdout and stderr. */
  readonly output: string[] = []
  /** Resolves when the process has ended. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>

  constructor(child: ChildProcess, onExit: () => void) {
    this.child = child
    for (const stream of [child.stdout!, child.stderr!])
      createInterface({ input: stream }).on('line', (line) => this.output.push(line))
    this.exited = once(child, 'exit').then(([code, signal]) => {
      onExit()
      return { code: code as number | null, signal: signal as NodeJS.Signals | null }
    })
  }

  get pid(): number {
    return this.child.pid!
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** The first line that `matches`. Rejects early if the process ends without writing it. */
  async line(matches: RegExp, { within = 15_000 }: { within?: number } = {}): Promise<string> {
    const find = () => this.output.find((line) => matches.test(line))
    const found = await eventually(() => find() ?? (this.alive ? undefined : null), {
      within,
      what: `a line ${matches}`,
    }).catch(() => undefined)
    if (found) return found
    const fate = found === null ? 'ended before it wrote' : `hasn’t written within ${within} ms:`
    const last = this.output.slice(-20).join('\n')
    throw new Error(`${this.child.spawnargs.join(' ')} ${fate} ${matches}\n${last}`)
  }

  /** Sends a signal to this process alone. */
  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }

  /** Kills the process (SIGKILL) and waits for its end. */
  async kill(): Promise<void> {
    if (this.alive) this.child.kill('SIGKILL')
    await this.exited
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}

/** Starts a program that belongs to this test run. */
export async function startProcess({
  command,
  args,
  env = {},
  cwd,
}: ProcessOptions): Promise<TestProcess> {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const spawned = once(child, 'spawn')
  const owned = new TestProcess(child, () => {
    running.delete(child)
    if (record) rmSync(record, { force: true })
  })
  await spawned
  const record = recordOf(child.pid!)
  if (record) writeFileSync(record, startTimeOf(child.pid!))
  return owned
}

/**
 * Kills every process that is still recorded in this directory. The start time excludes a process
 * that has since got the same pid.
 */
export function killRecorded(directory: string): void {
  for (const name of readdirSync(directory)) {
    const pid = Number(name)
    if (readFileSync(join(directory, name), 'utf8') === startTimeOf(pid))
      process.kill(pid, 'SIGKILL')
  }
}

function recordOf(pid: number): string | undefined {
  const directory = process.env[PID_DIRECTORY]
  if (!directory) return undefined
  mkdirSync(directory, { recursive: true })
  return join(directory, String(pid))
}

/**
 * The start time of a process in the kernel's ticks. If it can't be read, a text that matches no
 * running process.
 */
function startTimeOf(pid: number): string {
  try {
    // Field 22; the second one is the program's name in parentheses and may contain anything.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[19]!
  } catch {
    return `unknown at ${Date.now()}`
  }
}
