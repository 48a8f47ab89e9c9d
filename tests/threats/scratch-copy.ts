// A copy of the working tree in a folder of its own, in which sources may be changed while the
// tree itself stays as it is. Links to the workspace's packages lead into the copy; other packages
// are those of the tree. What is built in the copy, such as the bundle of the server, stays there.
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Edit } from './row.ts'

const WORKSPACE = '@lockstep'
/** Folders of packages that hold what was built from the sources. */
const BUILT = new Set(['.cache', '.vite', '.vite-temp', '.bin'])

export class ScratchCopy implements Disposable {
  readonly #folder = mkdtempSync(join(realpathSync(tmpdir()), 'lockstep-threats-'))
  /** The changed files, as they were. */
  readonly #before = new Map<string, string>()

  constructor(root: string) {
    process.once('exit', () => this[Symbol.dispose]())
    for (const file of filesOf(root)) {
      mkdirSync(join(this.#folder, dirname(file)), { recursive: true })
      cpSync(join(root, file), join(this.#folder, file), { verbatimSymlinks: true })
    }
    const [packages, links] = [join(root, 'node_modules'), join(this.#folder, 'node_modules')]
    mkdirSync(join(links, WORKSPACE), { recursive: true })
    for (const name of readdirSync(packages))
      if (name !== WORKSPACE && !BUILT.has(name))
        symlinkSync(join(packages, name), join(links, name))
    // These links are relative. They are copied unchanged, so that they lead into the copy.
    for (const name of readdirSync(join(packages, WORKSPACE)))
      symlinkSync(readlinkSync(join(packages, WORKSPACE, name)), join(links, WORKSPACE, name))
    cpSync(join(packages, '.bin'), join(links, '.bin'), { recursive: true, verbatimSymlinks: true })
  }

  /** Throws if a file doesn't have the old text exactly once. */
  apply(edits: readonly Edit[]): void {
    for (const { file, old, now } of edits) {
      const path = join(this.#folder, file)
      const text = readFileSync(path, 'utf8')
      if (text.split(old).length !== 2) throw new Error(`${file} doesn't have this once: ${old}`)
      if (!this.#before.has(file)) this.#before.set(file, text)
      writeFileSync(
        path,
        text.replace(old, () => now),
      )
    }
  }

  restore(): void {
    for (const [file, text] of this.#before) writeFileSync(join(this.#folder, file), text)
    this.#before.clear()
  }

  /** Runs Node in the copy, and resolves to what it printed. The longest time is in ms. */
  async run(args: readonly string[], timeout: number): Promise<string> {
    const child = spawn(process.execPath, args, {
      cwd: this.#folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout,
      killSignal: 'SIGTERM',
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data) => (output += String(data)))
    await new Promise((resolve) => child.once('close', resolve))
    return output
  }

  pathOf(file: string): string {
    return join(this.#folder, file)
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** The files that Git knows or would add. */
function filesOf(root: string): string[] {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate']
  const { stdout, status } = spawnSync('git', args, { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error('the threats are tried in a copy of what Git has: use a clone')
  return stdout.split('\0').filter(Boolean)
}
