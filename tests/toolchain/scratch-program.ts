// A scratch copy of those parts of the repository that the guides change, in a folder of its own.
// Links to the workspace's packages lead into the copy; links to other packages lead into the
// repository.
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { checkTypes } from './compiler.ts'

const root = path.join(import.meta.dirname, '../..')
const packages = path.join(root, 'node_modules')
/** What is copied: the folders that the guides are about, and what they import. */
const copied = ['protocol', 'realtime', 'clients/typescript', 'tests', 'tools']
/**
 * What the compiler is asked about. The other folders know nothing of individual commands and
 * topics.
 */
const project = {
  extends: path.join(root, 'tsconfig.json'),
  compilerOptions: { incremental: false, tsBuildInfoFile: null, typeRoots: [`${packages}/@types`] },
  include: [
    ...['protocol', 'realtime', 'clients/typescript/src', 'tests/attacks', 'tests/harness'],
    'tests/cases/every-topic.test.ts',
  ],
  exclude: [
    '**/node_modules',
    ...['embedded', 'redis', 'auth', 'feed', 'observability', 'config', 'lifecycle'].map(
      (folder) => `realtime/${folder}`,
    ),
  ],
}

/** One step of a guide: what happens to one file. */
export interface GuideStep {
  section: string
  file: string
  /** The lines of a diff without headers: ' ' keeps, '-' removes, '+' adds. */
  diff: string[]
}

export interface Guide {
  steps: GuideStep[]
  /**
   * Files whose errors only result from those of the steps, listed in the paragraph `Consequences:
   * …`.
   */
  consequences: string[]
}

/** The steps of a guide are the blocks of diffs below `### … \`file\``, in the section `## …`. */
export function readGuide(name: string): Guide {
  const text = fs.readFileSync(path.join(root, name), 'utf8')
  const [paragraph = ''] = /^Consequences:[^]*?\n\n/m.exec(text) ?? []
  const consequences = Array.from(paragraph.matchAll(/`([^`]+)`/g), ([, file]) => file!)
  const steps: GuideStep[] = []
  let [section, file] = ['', '']
  let diff: string[] | undefined
  for (const line of text.split('\n'))
    if (diff && line === '```') {
      steps.push({ section, file, diff })
      diff = undefined
    } else if (diff) diff.push(line)
    else if (line === '```diff') diff = []
    else if (line.startsWith('## ')) section = line.slice(3)
    else if (line.startsWith('### ')) file = /`([^`]+)`/.exec(line)?.[1] ?? ''
  return { steps, consequences }
}

export class ScratchProgram implements Disposable {
  readonly #folder = fs.mkdtempSync(path.join(fs.realpathSync(tmpdir()), 'lockstep-guides-'))

  constructor() {
    for (const folder of copied)
      fs.cpSync(path.join(root, folder), path.join(this.#folder, folder), { recursive: true })
    const links = path.join(this.#folder, 'node_modules')
    fs.mkdirSync(path.join(links, '@lockstep'), { recursive: true })
    for (const name of fs.readdirSync(packages))
      if (name !== '@lockstep') fs.symlinkSync(path.join(packages, name), path.join(links, name))
    // The links of the workspace are relative, so copies of them lead into the copy.
    for (const name of fs.readdirSync(path.join(packages, '@lockstep')))
      fs.symlinkSync(
        fs.readlinkSync(path.join(packages, '@lockstep', name)),
        path.join(links, '@lockstep', name),
      )
    fs.writeFileSync(path.join(this.#folder, 'package.json'), '{ "type": "module" }')
    fs.writeFileSync(path.join(this.#folder, 'tsconfig.json'), JSON.stringify(project))
  }

  /**
   * Throws if the file lacks the lines that the step changes, because then the guide is outdated.
   */
  take({ file, diff }: GuideStep): void {
    const name = path.join(this.#folder, file)
    const without = (sign: string) =>
      diff
        .filter((line) => !line.startsWith(sign))
        .map((line) => line.slice(1))
        .join('\n')
    const [before, after] = [without('+'), without('-')]
    const text = fs.existsSync(name) ? fs.readFileSync(name, 'utf8') : ''
    if (before === '' ? text !== '' : text.split(before).length !== 2)
      throw new Error(`${file} doesn't have these lines exactly once:\n${before}`)
    fs.writeFileSync(name, before === '' ? after : text.replace(before, () => after))
  }

  /** The files with type errors, in order of name, each with its first error. */
  async errors(): Promise<Record<string, string>> {
    const output = await checkTypes(this.#folder)
    const errors: Record<string, string> = {}
    for (const [, file, message] of output.matchAll(/^(\S+?)\(\d+,\d+\): error (.*)$/gm))
      errors[file!] ??= message!
    // What the compiler says about no file, for example that its settings are wrong.
    if (output !== '' && Object.keys(errors).length === 0) throw new Error(output)
    return Object.fromEntries(Object.entries(errors).sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.#folder, { recursive: true, force: true })
  }
}
