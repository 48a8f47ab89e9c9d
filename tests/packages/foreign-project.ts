// A project outside of the repository that has only the tarballs of `npm run pack` and their
// dependencies.
import { execFile } from 'node:child_process'
import { existsSync, globSync, readFileSync, realpathSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

export const root = path.resolve(import.meta.dirname, '../..')
const run = promisify(execFile)

export interface ForeignProject extends AsyncDisposable {
  readonly folder: string
  /** Writes a file of the project and returns its path. */
  write(name: string, text: string): Promise<string>
}

/**
 * Packs all packages and installs their tarballs together, with the packages `beside` them of the
 * registry.
 */
export async function createForeignProject(beside: readonly string[]): Promise<ForeignProject> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lockstep-foreign-project-'))
  const write = async (name: string, text: string): Promise<string> => {
    const file = path.join(folder, name)
    await writeFile(file, text)
    return file
  }
  const pack = path.join(root, 'tools/pack.ts')
  await run(process.execPath, [pack, '--destination', folder])
  await write('package.json', JSON.stringify({ name: 'foreign', version: '1.0.0', type: 'module' }))
  await write('package-lock.json', lockOfRegistryPackages())
  const tarballs = globSync('*.tgz', { cwd: folder }).map((name) => `./${name}`)
  const options = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', '--silent']
  await run('npm', ['install', ...options, ...tarballs, ...beside], { cwd: folder })
  return {
    folder,
    write,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

/**
 * Installs the versions that the repository has locked, and takes them from npm's cache, so that
 * the registry isn't needed. npm leaves out packages that the project doesn't need.
 */
function lockOfRegistryPackages(): string {
  const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { resolved?: string }>
  }
  const fromRegistry = Object.entries(packages).filter(([, { resolved }]) =>
    resolved?.startsWith('https:'),
  )
  return JSON.stringify({ lockfileVersion: 3, packages: Object.fromEntries(fromRegistry) })
}

/** The Node on the PATH that isn't the repository's own, if there is one. */
export async function findOtherNode(): Promise<{ path: string; major: number } | undefined> {
  const candidates = (process.env.PATH ?? '')
    .split(path.delimiter)
    .filter((folder) => !folder.includes('node_modules'))
    .map((folder) => path.join(folder, 'node'))
  const found = candidates.find((file) => existsSync(file))
  if (found === undefined || realpathSync(found) === realpathSync(process.execPath))
    return undefined
  const { stdout } = await run(found, ['-p', 'process.versions.node'])
  return { path: found, major: Number(stdout.split('.')[0]) }
}
