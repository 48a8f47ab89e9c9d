// `npm run licences` prints the third-party packages in what is delivered: those that the server
// needs and those that the page contains, each with its licence and the text of it. It fails if a
// package has a licence that isn't allowed.
import fs from 'node:fs'
import path from 'node:path'
import { root } from './pack-manifest.ts'

export interface LockedPackage {
  version?: string
  integrity?: string
  license?: string
  link?: boolean
  dev?: boolean
  hasInstallScript?: boolean
  dependencies?: Record<string, string>
}

/** The packages of the lock file, by their folder. */
export const lockedPackages = (): Record<string, LockedPackage> =>
  (
    JSON.parse(fs.readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, LockedPackage>
    }
  ).packages

const delivered: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
])
/** Also allowed for packages that only development needs, because these aren't delivered. */
const development: ReadonlySet<string> = new Set([
  ...delivered,
  'CC-BY-SA-4.0',
  'MPL-2.0',
  'Python-2.0',
])

const nameOf = (folder: string): string => folder.slice(folder.lastIndexOf('node_modules/') + 13)
const isForeign = ([folder, { link }]: [string, LockedPackage]): boolean =>
  folder.includes('node_modules/') && link !== true

/** The text of a package's licence; undefined if it isn't installed or has none. */
function licenceText(folder: string): string | undefined {
  const installed = path.join(root, folder)
  if (!fs.existsSync(installed)) return undefined
  const file = fs.readdirSync(installed).find((name) => /^licen[cs]e/i.test(name))
  return file && fs.readFileSync(path.join(installed, file), 'utf8').trim()
}

/** Some packages don't name their licence, but have its text. */
function licenceOf(folder: string, { license }: LockedPackage): string {
  if (license !== undefined) return license
  return /Permission is hereby granted, free of charge/.test(licenceText(folder) ?? '')
    ? 'MIT'
    : 'none'
}

/** `(A OR B)`: whoever gets the package may choose. */
const choicesIn = (licence: string): string[] =>
  /^\((.+)\)$/.exec(licence)?.[1]?.split(' OR ') ?? [licence]

/** The packages whose licence isn't allowed, as `name: licence`. */
export function refusedLicences(
  packages: Record<string, LockedPackage>,
  inPage: ReadonlySet<string> = packagesInPage(packages),
): string[] {
  return Object.entries(packages)
    .filter(isForeign)
    .flatMap(([folder, locked]) => {
      const isDelivered = !locked.dev || inPage.has(folder)
      const licence = licenceOf(folder, locked)
      const allowed = isDelivered ? delivered : development
      return choicesIn(licence).some((one) => allowed.has(one))
        ? []
        : [`${nameOf(folder)}: ${licence}`]
    })
}

/** The folders of the packages that the page may contain: what its sources import, and so on. */
export function packagesInPage(packages: Record<string, LockedPackage>): Set<string> {
  const found = new Set<string>()
  const add = (name: string) => {
    const folder = `node_modules/${name}`
    if (found.has(folder) || !packages[folder]) return
    found.add(folder)
    Object.keys(packages[folder].dependencies ?? {}).forEach(add)
  }
  for (const folder of ['ui/src', 'clients/typescript/src', 'realtime/imports', 'protocol'])
    for (const name of importedBy(path.join(root, folder))) add(name)
  return found
}

function* importedBy(folder: string): Generator<string> {
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(?:ts|svelte)$/.test(entry.name)) continue
    const source = fs.readFileSync(path.join(entry.parentPath, entry.name), 'utf8')
    for (const [, name] of source.matchAll(
      /(?:from|import|import\() ?'((?:@[\w-]+\/)?[a-z][\w.-]*)[^']*'/g,
    ))
      yield name!
  }
}

function* deliveredTexts(packages: Record<string, LockedPackage>): Generator<string> {
  const inPage = packagesInPage(packages)
  for (const [folder, locked] of Object.entries(packages).filter(isForeign)) {
    if (locked.dev && !inPage.has(folder)) continue
    const text = licenceText(folder)
    yield `${nameOf(folder)} ${locked.version} (${licenceOf(folder, locked)})\n\n${text ?? ''}\n`
  }
}

if (process.argv[1] === import.meta.filename) {
  const packages = lockedPackages()
  const refused = refusedLicences(packages)
  if (refused.length > 0) {
    process.stderr.write(`These licences aren't allowed:\n${refused.join('\n')}\n`)
    process.exitCode = 1
  } else
    for (const text of deliveredTexts(packages))
      process.stdout.write(`${text}\n${'-'.repeat(80)}\n`)
}
