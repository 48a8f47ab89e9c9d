// `npm run pack` writes a tarball of each package into `packed/`, and the wheel of the Python
// client. It builds copies: the sources, which running programs may be importing, stay as they are.
//
// `npm pack` in a package's folder gives the same tarball. npm packs that very folder, so its
// scripts put the published form there (`prepack`) and take it away again (`postpack`). If that was
// interrupted, the next run of either takes it away.
import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { createPackageBuilder } from './pack-build.ts'
import { readPackages, root, type PackageSource } from './pack-manifest.ts'

/** What `prepack` has to undo. */
interface Undo {
  /** The text of the package.json that names the sources. */
  readonly manifest: string
  /** Files and folders that weren't there. */
  readonly created: readonly string[]
}

const undoFile = (folder: string): string => path.join(root, folder, '.prepack.json')

function packAll(destination: string): void {
  for (const { folder } of readPackages()) removePublishedForm(folder)
  fs.mkdirSync(destination, { recursive: true })
  const builder = createPackageBuilder()
  const copies = fs.mkdtempSync(path.join(tmpdir(), 'lockstep-pack-'))
  try {
    const folders = readPackages().map((source, index) => {
      const copy = path.join(copies, String(index))
      fs.mkdirSync(copy)
      builder.write(source, copy)
      return copy
    })
    // npm takes half a second to start, so it packs all of them at once.
    const args = ['pack', '--silent', '--ignore-scripts', '--pack-destination', destination]
    const output = execFileSync('npm', [...args, ...folders], { cwd: copies, encoding: 'utf8' })
    for (const name of output.trim().split('\n'))
      process.stdout.write(`${path.relative(process.cwd(), path.join(destination, name))}\n`)
  } finally {
    fs.rmSync(copies, { recursive: true })
  }
  packWheel(destination)
}

/** The wheel needs Python 3.11 to be built, and nothing else. */
function packWheel(destination: string): void {
  const backend = path.join(root, 'clients/python/build_backend.py')
  for (const python of ['python3', '/usr/bin/python3']) {
    const { status, stdout } = spawnSync(python, ['-B', backend, destination], { encoding: 'utf8' })
    if (status !== 0) continue
    const wheel = path.join(destination, stdout.trim())
    return void process.stdout.write(`${path.relative(process.cwd(), wheel)}\n`)
  }
  process.stderr.write('The wheel of clients/python is left out: install Python 3.11 or later.\n')
}

function putPublishedForm(source: PackageSource): void {
  const folder = path.join(root, source.folder)
  const undo: Undo = {
    manifest: fs.readFileSync(path.join(folder, 'package.json'), 'utf8'),
    created: ['dist', 'LICENSE'].filter((name) => !fs.existsSync(path.join(folder, name))),
  }
  fs.writeFileSync(undoFile(source.folder), JSON.stringify(undo))
  createPackageBuilder().write(source, folder)
}

function removePublishedForm(folder: string): void {
  if (!fs.existsSync(undoFile(folder))) return
  const { manifest, created } = JSON.parse(fs.readFileSync(undoFile(folder), 'utf8')) as Undo
  fs.writeFileSync(path.join(root, folder, 'package.json'), manifest)
  for (const name of created)
    fs.rmSync(path.join(root, folder, name), { recursive: true, force: true })
  fs.rmSync(undoFile(folder))
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    destination: { type: 'string', default: path.join(root, 'packed') },
  },
})
const [command] = positionals
if (command === undefined) packAll(path.resolve(values.destination))
else {
  // npm runs the scripts of a package in its folder.
  const folder = path.relative(root, process.cwd()).split(path.sep).join('/')
  removePublishedForm(folder)
  if (command === 'prepack') {
    const source = readPackages().find((source) => source.folder === folder)
    if (!source) throw new Error(`${folder} isn't a package that can be packed.`)
    putPublishedForm(source)
  }
}
