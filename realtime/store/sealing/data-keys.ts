// The key of each user, in a file of its own, in a folder outside of the database and its backups.
// Whoever destroys the file makes everything unreadable that the key has sealed, in every backup.
// Several nodes may share the folder. A key is linked into place. So two nodes that make a key at
// once read the same one, and the key is on disk before anything is sealed with it.
import { createHash, createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

import { OpenedValues } from './opened-values.ts'

const KEY_BYTES = 32
/** Keys that are kept in memory. */
const MAX_KEPT = 20_000
/** A node may go on for this long with a key that another node has destroyed (ms). */
const KEPT_MS = 60_000
/** A file with this ending says that the key was destroyed, and that none may follow. */
const DESTROYED = '.destroyed'
const USER_ID = /^[0-9a-f-]{36}$/

export type FoundKey = { is: 'key'; key: KeyObject } | { is: 'destroyed' } | { is: 'missing' }

/** The keys in one folder. */
export class DataKeys {
  /** What the keys have opened: it is forgotten with the key. */
  readonly opened = new OpenedValues()
  readonly #folder: string
  readonly #kept = new Map<string, { key: KeyObject; until: number }>()

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    this.#folder = folder
  }

  /** Names the folder, so that a database knows its own. The first call makes the name. */
  name(): string {
    const path = join(this.#folder, 'name')
    if (!existsSync(path)) placeOnce(path, randomBytes(16).toString('hex'))
    return readFileSync(path, 'utf8')
  }

  find(user_id: string): FoundKey {
    const kept = this.#kept.get(user_id)
    if (kept && kept.until > Date.now()) return { is: 'key', key: kept.key }
    const path = this.#pathOf(user_id)
    const isDestroyed = existsSync(path + DESTROYED)
    const key = isDestroyed ? undefined : readKey(path)
    if (!key) {
      if (kept) this.#forget(user_id)
      return { is: isDestroyed ? 'destroyed' : 'missing' }
    }
    this.#kept.delete(user_id)
    this.#kept.set(user_id, { key, until: Date.now() + KEPT_MS })
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break
      this.#kept.delete(oldest)
    }
    return { is: 'key', key }
  }

  /** Returns the user's key, and makes it first if it is missing. Undefined: it was destroyed. */
  findOrMake(user_id: string): KeyObject | undefined {
    let found = this.find(user_id)
    if (found.is === 'missing') {
      placeOnce(this.#pathOf(user_id), randomBytes(KEY_BYTES).toString('hex'))
      found = this.find(user_id)
    }
    return found.is === 'key' ? found.key : undefined
  }

  /** Destroys the user's key for ever. Idempotent. */
  destroy(user_id: string): void {
    const path = this.#pathOf(user_id)
    placeOnce(path + DESTROYED, '')
    if (existsSync(path)) {
      // overwritten, so that what the disk keeps of the deleted file isn't the key
      writeFlushed(path, 'r+', randomBytes(KEY_BYTES).toString('hex'))
      rmSync(path, { force: true })
      flush(dirname(path))
    }
    this.#forget(user_id)
  }

  #forget(user_id: string): void {
    this.#kept.delete(user_id)
    this.opened.forget(user_id)
  }

  /** The users whose keys were destroyed. */
  destroyedUsers(): string[] {
    return readdirSync(this.#folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap(({ name }) => readdirSync(join(this.#folder, name)))
      .filter((name) => name.endsWith(DESTROYED))
      .map((name) => name.slice(0, -DESTROYED.length))
  }

  /** A part of the keys in each folder, because some file systems are slow with large ones. */
  #pathOf(user_id: string): string {
    if (!USER_ID.test(user_id)) throw new Error('a key belongs to a user’s id')
    const part = createHash('sha256').update(user_id).digest('hex').slice(0, 2)
    return join(this.#folder, part, user_id)
  }
}

function readKey(path: string): KeyObject | undefined {
  let text
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const key = Buffer.from(text, 'hex')
  if (key.length !== KEY_BYTES) throw new Error(`The key in ${path} is damaged: restore it`)
  // a key object is much faster to use than the bytes of the key
  return createSecretKey(key)
}

/** Writes a file completely, or not at all if it exists. */
function placeOnce(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const unlinked = `${path}.${randomBytes(6).toString('hex')}.new`
  try {
    writeFlushed(unlinked, 'wx', text)
    linkSync(unlinked, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(unlinked, { force: true })
  }
  flush(dirname(path))
}

function writeFlushed(path: string, flags: string, text: string): void {
  const file = openSync(path, flags, 0o600)
  try {
    writeSync(file, text, 0)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function flush(folder: string): void {
  const fd = openSync(folder, 'r')
  fsyncSync(fd)
  closeSync(fd)
}
