// Compares the present state with the required one at each start. It compares contents and never
// file times, because a checkout changes those. This file is plain JavaScript without dependencies:
// it runs before anything is installed, on any version of Node.
import { createHash } from 'crypto'
import fs from 'fs'
import path from 'path'

/**
 * Whether the installed packages are those of the lock. Optional packages, such as those of other
 * platforms, may be missing.
 * @param {{ packages: Record<string, { version?: string, optional?: boolean, dev?: boolean,
 *   devOptional?: boolean }> }} lock package-lock.json
 * @param {{ packages: Record<string, { version?: string }> }} installed
 *   node_modules/.package-lock.json, which npm writes last
 * @param {{ withoutDev: boolean }} options withoutDev: development packages may be missing
 */
export function installedMatches(lock, installed, options) {
  return Object.entries(lock.packages).every(([location, wanted]) => {
    if (location === '') return true
    const found = installed.packages[location]
    if (found !== undefined) return found.version === wanted.version
    return Boolean(wanted.optional || (options.withoutDev && (wanted.dev || wanted.devOptional)))
  })
}

/**
 * A hash of the names and contents of files and folders below `root`. A name that doesn't exist
 * counts as an empty folder.
 * @param {string} root
 * @param {string[]} names
 * @param {string[]} [leaveOut] paths below `root`
 */
export function contentHash(root, names, leaveOut = []) {
  const hash = createHash('sha256')
  for (const name of names) addContent(hash, root, name, leaveOut)
  return hash.digest('hex')
}

/**
 * @param {import('crypto').Hash} hash
 * @param {string} root
 * @param {string} name
 * @param {string[]} leaveOut
 */
function addContent(hash, root, name, leaveOut) {
  const file = path.join(root, name)
  if (leaveOut.includes(name) || !fs.existsSync(file)) return
  if (!fs.statSync(file).isDirectory()) {
    hash.update(`${name}\0`).update(fs.readFileSync(file)).update('\0')
    return
  }
  for (const entry of fs.readdirSync(file).sort())
    addContent(hash, root, `${name}/${entry}`, leaveOut)
}

/**
 * The commands that no folder of a search path has.
 * @param {string[]} commands
 * @param {string} searchPath as in the variable PATH
 */
export function missingCommands(commands, searchPath) {
  const folders = searchPath.split(path.delimiter)
  return commands.filter(
    (command) => !folders.some((folder) => isExecutable(path.join(folder, command))),
  )
}

/** @param {string} file */
function isExecutable(file) {
  try {
    fs.accessSync(file, fs.constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * Whether this version of Node runs TypeScript without a build.
 * @param {string} version such as "v24.1.0" or "24.1.0"
 */
export function runsTypeScript(version) {
  const [major = 0, minor = 0] = version.replace('v', '').split('.').map(Number)
  return major > 23 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18)
}
