// Compiles a package of this repository: JavaScript, declarations and source maps, each file with the
// specifiers that hold where it lands.
import fs from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { publishedManifest, root, type PackageSource } from './pack-manifest.ts'

/** Only a name for the compiler: its output is caught before it reaches the disk. */
const outDir = path.join(root, 'dist')

/**
 * Writes what the tarball contains into `target`: `dist/`, package.json, README.md and LICENSE.
 * Throws an Error with the compiler's messages if the package doesn't compile.
 */
export function writePackage(source: PackageSource, target: string): void {
  for (const [file, text] of compile(source)) {
    const destination = path.join(target, 'dist', file)
    fs.mkdirSync(path.dirname(destination), { recursive: true })
    fs.writeFileSync(destination, text)
  }
  copyInto(target, path.join(root, source.folder, 'README.md'))
  copyInto(target, path.join(root, 'LICENSE'))
  const manifest = JSON.stringify(publishedManifest(source), null, 2)
  fs.writeFileSync(path.join(target, 'package.json'), `${manifest}\n`)
}

function copyInto(target: string, file: string): void {
  const destination = path.join(target, path.basename(file))
  if (destination !== file) fs.copyFileSync(file, destination)
}

/** Path below `dist/` (with `/`) -> text. */
export function compile({ folder, manifest, bundled }: PackageSource): Map<string, string> {
  const roots = [folder, ...bundled.map(({ folder }) => folder)].flatMap(typeScriptFiles)
  const program = ts.createProgram(roots, {
    ...readOptions(folder),
    paths: Object.fromEntries(
      bundled.map(({ name, folder }) => [`${name}/*`, [path.join(root, folder, '*.ts')]]),
    ),
    outDir,
    rootDir: root,
  })
  const files = new Map<string, string>()
  const { diagnostics } = program.emit(undefined, (file, text) => {
    const emitted = path.relative(outDir, file).split(path.sep).join('/')
    files.set(destinationOf(emitted), rewriteSpecifiers(emitted, text))
  })
  const complaints = [...ts.getPreEmitDiagnostics(program), ...diagnostics]
  if (complaints.length > 0) {
    throw new Error(
      `${manifest.name} doesn't compile:\n` +
        ts.formatDiagnostics(complaints, {
          getCurrentDirectory: () => root,
          getCanonicalFileName: (file) => file,
          getNewLine: () => '\n',
        }),
    )
  }
  return files

  /** Own files lose their folder and `src/`; those of a bundled package go into a folder of its name. */
  function destinationOf(emitted: string): string {
    const own = `${folder}/`
    if (emitted.startsWith(own)) return emitted.slice(own.length).replace(/^src\//, '')
    const from = bundled.find(({ folder }) => emitted.startsWith(`${folder}/`))
    if (!from) throw new Error(`${manifest.name} imports ${emitted}, which isn't part of it.`)
    return `${from.as}${emitted.slice(from.folder.length)}`
  }

  function rewriteSpecifiers(emitted: string, text: string): string {
    if (emitted.endsWith('.map')) return withNeutralSource(text)
    const relativeTo = path.posix.dirname(destinationOf(emitted))
    let rewritten = text.replace(relativeSpecifier, '$1$2.js$3')
    for (const { name, as } of bundled) {
      const specifier = new RegExp(`(['"])${name}/([^'"]+)\\1`, 'g')
      rewritten = rewritten.replace(specifier, (_, quote: string, module: string) => {
        const relative = path.posix.relative(relativeTo, `${as}/${module}.js`)
        return `${quote}${relative.startsWith('.') ? relative : `./${relative}`}${quote}`
      })
    }
    return rewritten
  }
}

/**
 * `from './x.ts'`, `import('./x.ts')` and `new URL('./x.ts', …)`. The compiler rewrites only the first
 * two, and only in JavaScript.
 */
const relativeSpecifier = /(\b(?:from|import|URL\()\s*\(?\s*)(['"]\.{1,2}\/[^'"]+)\.ts(['"])/g

/** Maps carry their source's text; its path on the machine that built them says nothing. */
function withNeutralSource(text: string): string {
  const map = JSON.parse(text) as { sources: string[] }
  const sources = map.sources.map((source) => `lockstep:///${source.replace(/^(\.\.\/)+/, '')}`)
  return JSON.stringify({ ...map, sources })
}

/** The package's own settings if it has any, as what it may use of Node is narrower than here. */
function readOptions(folder: string): ts.CompilerOptions {
  const own = path.join(root, folder, 'tsconfig.json')
  const file = fs.existsSync(own) ? own : path.join(root, 'tsconfig.json')
  const { options } = ts.getParsedCommandLineOfConfigFile(
    file,
    {
      noEmit: false,
      incremental: false,
      allowJs: false,
      checkJs: false,
      declaration: true,
      sourceMap: true,
      inlineSources: true,
      rewriteRelativeImportExtensions: true,
    },
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
        throw new Error(ts.flattenDiagnosticMessageText(messageText, '\n'))
      },
    },
  )!
  return { ...options, tsBuildInfoFile: undefined }
}

const typeScriptFiles = (folder: string): string[] =>
  fs
    .readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /(?<!\.d)\.ts$/.test(file) && !/^(dist|node_modules)\//.test(file))
    .sort()
    .map((file) => path.join(root, folder, file))
