// A scratch copy of the repository in memory: the compiler sees the files as the steps of a guide
// change them, and nothing is written.
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'

const root = path.join(import.meta.dirname, '../..')
/**
 * The folders that the guides are about. The others know nothing of individual commands and topics.
 */
const checked = ['protocol', 'realtime', 'clients/typescript/src', 'tests/attacks']
const unconcerned =
  /^realtime\/(embedded|imports|redis|auth|feed|observability|config|lifecycle|operator)\//

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
  const text = readFileSync(path.join(root, name), 'utf8')
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

export class ScratchProgram {
  readonly #changed = new Map<string, string>()
  readonly #sources = new Map<string, ts.SourceFile>()
  readonly #options: ts.CompilerOptions
  readonly #host: ts.CompilerHost
  #program: ts.Program | undefined

  constructor() {
    const { config } = ts.readConfigFile(path.join(root, 'tsconfig.json'), (name) =>
      ts.sys.readFile(name),
    ) as { config: unknown }
    const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
    this.#options = { ...options, incremental: false, tsBuildInfoFile: undefined }
    this.#host = this.#createHost()
  }

  /**
   * Throws if the file lacks the lines that the step changes, because then the guide is outdated.
   */
  take({ file, diff }: GuideStep): void {
    const name = path.join(root, file)
    const without = (sign: string) =>
      diff
        .filter((line) => !line.startsWith(sign))
        .map((line) => line.slice(1))
        .join('\n')
    const [before, after] = [without('+'), without('-')]
    const text = this.#changed.get(name) ?? ts.sys.readFile(name) ?? ''
    if (before === '' ? text !== '' : text.split(before).length !== 2)
      throw new Error(`${file} doesn't have these lines exactly once:\n${before}`)
    this.#changed.set(name, before === '' ? after : text.replace(before, () => after))
    this.#sources.delete(name)
  }

  /** The files with type errors, in order of name, each with its first error. */
  errors(): Record<string, string> {
    const present = checked.flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: root }))
    const made = Array.from(this.#changed.keys(), (name) => path.relative(root, name))
    const files = [...new Set([...present, ...made])].filter((file) => !unconcerned.test(file))
    const names = files.sort().map((file) => path.join(root, file))
    this.#program = ts.createProgram(names, this.#options, this.#host, this.#program)
    const errors: Record<string, string> = {}
    for (const [index, name] of names.entries()) {
      const source = this.#program.getSourceFile(name)
      const [first] = source ? this.#program.getSemanticDiagnostics(source) : []
      if (first) errors[files[index]!] = ts.flattenDiagnosticMessageText(first.messageText, '\n')
    }
    return errors
  }

  #createHost(): ts.CompilerHost {
    const host = ts.createCompilerHost(this.#options)
    const { fileExists, readFile, realpath } = host
    // files that only exist here can't be reached through the links of the workspace's packages
    const target = (name: string) =>
      name.replace(`${root}/node_modules/@lockstep/protocol/`, `${root}/protocol/`)
    return {
      ...host,
      fileExists: (name) => this.#changed.has(target(name)) || fileExists(name),
      readFile: (name) => this.#changed.get(target(name)) ?? readFile(name),
      realpath: (name) => (this.#changed.has(target(name)) ? target(name) : realpath!(name)),
      getSourceFile: (name, languageVersion) => {
        const known = this.#sources.get(name)
        if (known) return known
        const text = this.#changed.get(name) ?? readFile(name)
        if (text === undefined) return undefined
        const source = ts.createSourceFile(name, text, languageVersion, true)
        this.#sources.set(name, source)
        return source
      },
    }
  }
}
