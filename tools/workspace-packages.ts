// Resolves an import of one of this repository's own packages to a file, by the `exports` of that
// package. The tools read imports as text, so they have to resolve them as Node does.
import fs from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '..')

interface Manifest {
  name: string
  workspaces: string[]
  exports: Record<string, string>
}

const readManifest = (folder: string): Manifest =>
  JSON.parse(fs.readFileSync(path.join(root, folder, 'package.json'), 'utf8')) as Manifest

const packages = readManifest('.').workspaces.map((folder) => {
  const { name, exports } = readManifest(folder)
  return { folder, name, exports }
})

/** The folders of the workspace's packages, relative to the repository. */
export const packageFolders = packages.map(({ folder }) => folder)

/**
 * The file that a specifier such as `@lockstep/protocol/change` means: a path relative to the
 * repository, with `/`. Undefined if the specifier names no package of this repository.
 */
export function workspaceFile(specifier: string): string | undefined {
  for (const { folder, name, exports } of packages) {
    if (specifier !== name && !specifier.startsWith(`${name}/`)) continue
    const wanted = `.${specifier.slice(name.length)}`
    for (const [pattern, target] of Object.entries(exports)) {
      const [before = '', after] = pattern.split('*')
      if (pattern === wanted) return path.posix.join(folder, target)
      if (after !== undefined && wanted.startsWith(before))
        return path.posix.join(folder, target.replace('*', wanted.slice(before.length)))
    }
    return path.posix.join(folder, 'no such export')
  }
  return undefined
}
