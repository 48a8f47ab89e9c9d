// Compiles packages of this repository to JavaScript, declarations and source maps. Each import in
// them names the file where it is in the tarball.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  publishedManifest,
  readPackages,
  root,
  type BundledPackage,
  type PackageSource,
} from './pack-manifest.ts'

export interface PackageBuilder {
  /**
   * Writes what the tarball contains into the folder `target`: `dist/`, package.json, README.md and
   * LICENSE. Throws an Error with the compiler's messages if the package doesn't compile.
   */
  write(source: PackageSource, target: string): void
}

/** Path in the repository, with `/` and the emitted extension -> text. */
type EmittedFiles = ReadonlyMap<string, string>

const compiler = path.join(root, 'node_modules/typescript-7/bin/tsc')

/** The builder compiles each package once, even if the package is also bundled into another. */
export function createPackageBuilder(): PackageBuilder {
  const emittedByFolder = new Map<string, EmittedFiles>()
  const sources = readPackages()

  function emit(source: PackageSource): EmittedFiles {
    const known = emittedByFolder.get(source.folder)
    if (known) return known
    const folders = foldersToCompileWith(source, sources)
    const emitted = emitFiles(source, folders)
    for (const folder of folders) emittedByFolder.set(folder, emitted)
    return emitted
  }

  return {
    write(source, target) {
      for (const [file, text] of emit(source)) {
        const destination = destinationOf(file, source)
        if (destination === undefined) continue
        const written = path.join(target, 'dist', destination)
        fs.mkdirSync(path.dirname(written), { recursive: true })
        fs.writeFileSync(written, rewritten(destination, text, source))
      }
      copyInto(target, path.join(root, source.folder, 'README.md'))
      copyInto(target, path.join(root, 'LICENSE'))
      const manifest = JSON.stringify(publishedManifest(source), null, 2)
      fs.writeFileSync(path.join(target, 'package.json'), `${manifest}\n`)
    },
  }
}

function copyInto(target: string, file: string): void {
  const destination = path.join(target, path.basename(file))
  if (destination !== file) fs.copyFileSync(file, destination)
}

const settingsOf = (folder: string): string | undefined => {
  const file = path.join(root, folder, 'tsconfig.json')
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined
}

/**
 * The folders that one run of the compiler takes: those of a package that bundles others, the
 * bundled ones first; otherwise those of all packages that stand alone and have the same settings,
 * because most of a run is reading the types that they share. A package that is bundled into
 * another is compiled without them.
 */
function foldersToCompileWith(source: PackageSource, sources: readonly PackageSource[]): string[] {
  const { folder, bundled } = source
  if (bundled.length > 0) return [...bundled.map(({ folder }) => folder), folder]
  const inOthers = new Set(sources.flatMap(({ bundled }) => bundled.map(({ folder }) => folder)))
  const standsAlone = (one: PackageSource) => one.bundled.length === 0 && !inOthers.has(one.folder)
  if (!standsAlone(source)) return [folder]
  return sources
    .filter((one) => standsAlone(one) && settingsOf(one.folder) === settingsOf(folder))
    .map(({ folder }) => folder)
}

/**
 * The compiler's output for a package and for those that are compiled with it. One checker looks at
 * the files in their order: the order of properties in a declaration depends on what was checked
 * before, and a package is the same whether it is compiled alone or bundled.
 */
function emitFiles(
  { folder, manifest, bundled }: PackageSource,
  folders: readonly string[],
): EmittedFiles {
  const scratch = fs.realpathSync(fs.mkdtempSync(path.join(tmpdir(), 'lockstep-compile-')))
  try {
    const config = path.join(scratch, 'tsconfig.json')
    const outDir = path.join(scratch, 'out')
    fs.writeFileSync(config, JSON.stringify(compilerConfig(folder, bundled, folders, outDir)))
    const { status, stdout } = spawnSync(
      process.execPath,
      [compiler, '-p', config, '--checkers', '1'],
      {
        cwd: root,
        encoding: 'utf8',
      },
    )
    if (status !== 0) throw new Error(`${manifest.name} doesn't compile:\n${stdout}`)
    return new Map(
      fs
        .readdirSync(outDir, { recursive: true, encoding: 'utf8' })
        .filter((file) => fs.statSync(path.join(outDir, file)).isFile())
        .map((file) => [file.split(path.sep).join('/'), readEmitted(path.join(outDir, file))]),
    )
  } finally {
    fs.rmSync(scratch, { recursive: true })
  }
}

/** The package's own settings if it has any: some packages may use less of the platform. */
function compilerConfig(
  folder: string,
  bundled: readonly BundledPackage[],
  folders: readonly string[],
  outDir: string,
) {
  const own = path.join(root, folder, 'tsconfig.json')
  return {
    extends: fs.existsSync(own) ? own : path.join(root, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      allowJs: false,
      checkJs: false,
      declaration: true,
      sourceMap: true,
      inlineSources: true,
      rewriteRelativeImportExtensions: true,
      incremental: false,
      tsBuildInfoFile: null,
      typeRoots: [path.join(root, 'node_modules/@types')],
      paths: Object.fromEntries(
        bundled.map(({ name, folder }) => [`${name}/*`, [path.join(root, folder, '*.ts')]]),
      ),
      outDir,
      rootDir: root,
    },
    include: [],
    files: folders.flatMap(typeScriptFiles),
  }
}

/**
 * Where an emitted file belongs in `dist/`. The package's own files lose its folder and `src/`;
 * those of a bundled package go into a folder of its name. Undefined: it belongs to another
 * package.
 */
function destinationOf(file: string, { folder, bundled }: PackageSource): string | undefined {
  if (file.startsWith(`${folder}/`)) return file.slice(folder.length + 1).replace(/^src\//, '')
  const from = bundled.find(({ folder }) => file.startsWith(`${folder}/`))
  return from && `${from.as}${file.slice(from.folder.length)}`
}

/**
 * `from './x.ts'`, `import('./x.ts')` and `new URL('./x.ts', …)`. The compiler rewrites only the
 * first two, and only in JavaScript.
 */
const relativeSpecifier = /(\b(?:from|import|URL\()\s*\(?\s*)(['"]\.{1,2}\/[^'"]+)\.ts(['"])/g

/**
 * What the compiler adds to every `import()` of an address that is only known at run time, so that
 * it may end in `.ts`. None does in a package.
 */
const addedRewriting = /var __rewriteRelativeImportExtension = [^]*?\n};\n/
const withoutAdded = (text: string): string =>
  text
    .replace(addedRewriting, (added) => added.replaceAll(/[^\n]/g, '')) // keeps lines for the map
    .replaceAll(/__rewriteRelativeImportExtension\(([^()]*)\)/g, '$1')

/** The text with the specifiers that hold at `destination`. */
function rewritten(destination: string, text: string, { bundled }: PackageSource): string {
  if (destination.endsWith('.map')) return text
  let result = withoutAdded(text).replace(relativeSpecifier, '$1$2.js$3')
  for (const { name, as } of bundled) {
    const specifier = new RegExp(`(['"])${name}/([^'"]+)\\1`, 'g')
    result = result.replace(specifier, (_, quote: string, module: string) => {
      const target = path.posix.relative(path.posix.dirname(destination), `${as}/${module}.js`)
      return `${quote}${target.startsWith('.') ? target : `./${target}`}${quote}`
    })
  }
  return result
}

/**
 * The text of an emitted file. A source map contains the text of its source, so the path of the
 * source on the building machine is useless: only its path in the repository stays.
 */
function readEmitted(file: string): string {
  const text = fs.readFileSync(file, 'utf8')
  if (!file.endsWith('.map')) return text
  const map = JSON.parse(text) as { sources: string[] }
  const sources = map.sources.map((source) => {
    const inRepository = path.relative(root, path.resolve(path.dirname(file), source))
    return `lockstep:///${inRepository.split(path.sep).join('/')}`
  })
  return JSON.stringify({ ...map, sources })
}

const typeScriptFiles = (folder: string): string[] =>
  fs
    .readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /(?<!\.d)\.ts$/.test(file) && !/^(dist|node_modules)\//.test(file))
    .sort()
    .map((file) => path.join(root, folder, file))
