// The folder of everything that a node without a database server keeps: the session secret and the
// embedded database.
import { randomBytes } from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import { ConfigError } from './config-error.ts'
import { makePrivate } from './private-files.ts'

/** Characters. A shorter session secret can't seal cookies. */
export const SECRET_MIN_LENGTH = 32

/** Folders that other programs and users need too: their rights must not be taken away. */
const SHARED = new Set(['/', homedir(), tmpdir(), process.cwd()])

/**
 * Creates the folder if it doesn't exist, and makes it and all that is in it this user's alone.
 * Throws `ConfigError` if it can't be written or is a folder that others need.
 */
export function prepareDataDir(dataDir: string): void {
  prepareOwnFolder('DATA_DIR', dataDir)
}

/**
 * The same for the folder of keys, which is returned. It may not be in `DATA_DIR`: whoever copies
 * that would have the keys and what they have sealed.
 */
export function prepareKeysDir(keysDir: string, dataDir: string): string {
  const [inner, outer] = [`${keysDir}${sep}`, `${dataDir}${sep}`]
  if (inner.startsWith(outer) || outer.startsWith(inner))
    throw new ConfigError(
      `KEYS_DIR: ${keysDir} must be apart from DATA_DIR, because a copy of the data must not have the keys`,
    )
  prepareOwnFolder('KEYS_DIR', keysDir)
  return keysDir
}

function prepareOwnFolder(setting: string, folder: string): void {
  if (SHARED.has(folder))
    throw new ConfigError(
      `${setting}: ${folder} can't be kept from others: set a folder of its own, such as ${join(folder, 'lockstep')}`,
    )
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    accessSync(folder, constants.W_OK | constants.X_OK)
    makePrivate(folder)
  } catch (error) {
    throw unusable(folder, error, setting)
  }
}

/**
 * The secret in `DATA_DIR`, which the first start makes. It is written to another file, flushed and
 * then linked. So two processes that start at once read the same secret, and a power failure leaves
 * no empty file. Throws `ConfigError` if there can be no secret or if the stored one doesn't
 * suffice, for example because somebody emptied the file.
 */
export function keptSecret(dataDir: string): string {
  const path = join(dataDir, 'session-secret')
  if (existsSync(dataDir)) prepareDataDir(dataDir)
  if (!existsSync(path)) makeSecret(dataDir, path)
  const secret = readSecret(path)
  if (secret.trim().length < SECRET_MIN_LENGTH)
    throw new ConfigError(
      `SESSION_SECRET: the secret kept in ${path} has fewer than ${SECRET_MIN_LENGTH} characters. ` +
        'Restore the file, or delete it: the server then makes a new secret, and everybody has to ' +
        'sign in again',
    )
  return secret
}

function makeSecret(dataDir: string, path: string): void {
  prepareDataDir(dataDir)
  const unlinked = `${path}.${process.pid}`
  try {
    const file = openSync(unlinked, 'w', 0o600)
    try {
      writeSync(file, randomBytes(32).toString('hex'))
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    linkSync(unlinked, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unusable(dataDir, error)
  } finally {
    rmSync(unlinked, { force: true })
  }
}

function readSecret(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError(
      `SESSION_SECRET: the secret kept in ${path} can't be read (${(error as Error).message})`,
    )
  }
}

const unusable = (folder: string, error: unknown, setting = 'DATA_DIR'): ConfigError =>
  new ConfigError(`${setting}: ${folder} cannot be written (${(error as Error).message})`)
