// Third-party packages, including the Node that runs everything: each is locked with its checksum,
// none downloads more by an install script, and every licence is allowed and listed.
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from '../../tools/pack-manifest.ts'
import { lockedPackages, packagesInPage, refusedLicences } from '../../tools/licences.ts'
import { START_FLAGS } from '../harness/programs.ts'
import { packageFolders } from '../../tools/workspace-packages.ts'

const packages = lockedPackages()
const foreign = Object.entries(packages).filter(
  ([folder, { link }]) => folder.includes('node_modules/') && !link,
)

test('every package is locked with a checksum, and none runs a script when it is installed', () => {
  expect(foreign.length).toBeGreaterThan(300)
  for (const [folder, { integrity, hasInstallScript }] of foreign) {
    expect(integrity, folder).toMatch(/^sha512-/)
    expect(hasInstallScript, folder).toBeUndefined()
  }
})

test('the Node that scripts run with is one of those packages, for each platform', () => {
  for (const platform of ['linux-x64', 'linux-arm64', 'win-x64'])
    expect(packages[`node_modules/node-${platform}`]).toMatchObject({
      version: process.versions.node,
      dev: true,
      optional: true,
    })
})

test('a package with a licence that isn’t allowed is named, also one that only the page contains', () => {
  expect(refusedLicences(packages)).toEqual([])
  const inPage = packagesInPage(packages)
  for (const name of ['svelte', 'katex', 'bits-ui', 'zod', 'socket.io-client'])
    expect(inPage).toContain(`node_modules/${name}`)
  const other = (license: string, dev: boolean) => ({
    'node_modules/x': { version: '1.0.0', license, dev },
  })
  const refused = (license: string, dev: boolean, shown = false) =>
    refusedLicences(other(license, dev), new Set(shown ? ['node_modules/x'] : []))
  expect(refused('GPL-3.0', true)).toEqual(['x: GPL-3.0'])
  expect(refused('MPL-2.0', true)).toEqual([])
  expect(refused('MPL-2.0', true, true)).toEqual(['x: MPL-2.0'])
  expect(refused('MPL-2.0', false)).toEqual(['x: MPL-2.0'])
})

test('the bill of materials names every package of the lock file with its checksum', () => {
  const printed = execFileSync('npm', ['run', '--silent', 'sbom'], { cwd: root, encoding: 'utf8' })
  const { bomFormat, components } = JSON.parse(printed) as {
    bomFormat: string
    components: { purl: string; hashes?: unknown[] }[]
  }
  expect(bomFormat).toBe('CycloneDX')
  const named = new Map(components.map(({ purl, hashes }) => [decodeURIComponent(purl), hashes]))
  for (const [folder, { version }] of foreign) {
    const name = folder.slice(folder.lastIndexOf('node_modules/') + 13)
    const aliased = name === 'typescript-7' ? 'typescript' : name
    expect(named.get(`pkg:npm/${aliased}@${version}`), folder).toHaveLength(1)
  }
})

test('the image installs the dependencies of every package of the workspace', async () => {
  const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8')
  const copied = [...dockerfile.matchAll(/^COPY (\S+)\/package\.json \1\/$/gm)]
  expect(copied.map(([, folder]) => folder)).toEqual(expect.arrayContaining(packageFolders))
})

test('the image starts Node with the flags of npm start', async () => {
  const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8')
  const flags = START_FLAGS.map((flag) => `"${flag}", `).join('')
  expect(START_FLAGS).not.toEqual([])
  expect(dockerfile).toContain(`CMD ["node", ${flags}"realtime/main.ts"]`)
})
