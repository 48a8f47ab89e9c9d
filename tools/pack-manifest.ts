// The packages of this repository that other projects can install, and their published manifests.
// In the workspace, `exports` and `bin` name the TypeScript sources, so that nothing has to be
// built. In a tarball they name the compiled files, because Node doesn't run TypeScript below
// node_modules.
import fs from 'node:fs'
import path from 'node:path'

export const root = path.resolve(import.meta.dirname, '..')

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly exports: Readonly<Record<string, string>>
  readonly bin?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** A package's source in this repository. */
export interface PackageSource {
  /** Relative to the repository, with `/`. */
  readonly folder: string
  readonly manifest: Manifest
  /**
   * Packages of this repository that are compiled into this one, so that it can be installed alone:
   * those among its `devDependencies`. No registry has them.
   */
  readonly bundled: readonly BundledPackage[]
}

export interface BundledPackage {
  readonly name: string
  readonly folder: string
  /** The folder in `dist/`, and the first part of the export: `protocol`. */
  readonly as: string
}

const readManifest = (folder: string): Manifest =>
  JSON.parse(fs.readFileSync(path.join(root, folder, 'package.json'), 'utf8')) as Manifest

/** Every package that other projects can install, those first that bundle others. */
export function readPackages(): PackageSource[] {
  const { workspaces } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    workspaces: string[]
  }
  const manifests = workspaces.map((folder) => ({ folder, manifest: readManifest(folder) }))
  return manifests
    .filter(({ manifest }) => !manifest.private)
    .map(({ folder, manifest }) => ({
      folder,
      manifest,
      bundled: manifests
        .filter(({ manifest: { name } }) => Object.hasOwn(manifest.devDependencies ?? {}, name))
        .map(({ folder, manifest: { name } }) => ({ name, folder, as: path.posix.basename(name) })),
    }))
    .sort((a, b) => b.bundled.length - a.bundled.length)
}

/** Where the compiled form of a source is in the package: `src/x.ts` and `x.ts` become `dist/x`. */
const compiled = (source: string): string =>
  source.replace(/^\.\/(src\/)?/, './dist/').replace(/\.ts$/, '')

const exported = (compiledPath: string) => ({
  types: `${compiledPath}.d.ts`,
  default: `${compiledPath}.js`,
})

/**
 * The manifest that goes into the tarball. It keeps the scripts: npm has to find them when it packs
 * a folder in which an interrupted run has left this manifest.
 */
export function publishedManifest({ manifest, bundled }: PackageSource): Record<string, unknown> {
  const { exports, bin, ...rest } = manifest
  const {
    scripts: _scripts,
    devDependencies: _devDependencies,
    ...published
  } = {
    scripts: undefined,
    ...rest,
  }
  const ownExports = Object.entries(exports).map(([name, source]) => [
    name,
    exported(compiled(source)),
  ])
  const bundledExports = bundled.map(({ as }) => [`./${as}/*`, exported(`./dist/${as}/*`)])
  return {
    ...published,
    exports: Object.fromEntries([...ownExports, ...bundledExports]) as unknown,
    ...(bin && {
      bin: Object.fromEntries(
        Object.entries(bin).map(([name, source]) => [name, `${compiled(source)}.js`]),
      ) as unknown,
    }),
  }
}
