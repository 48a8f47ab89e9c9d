// The files of a data directory, and whether they are what the last server left. Beside the data
// lies a mark: the position in the oplog up to which writes have been acknowledged. It is written
// after each commit and before its replies, so data that end before their mark have lost something.
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { giveUpReserveToStart } from './disk-space.ts'

const MARK_BYTES = 20
const MARK_VERSION = 1

export const FORMAT = 1

export const dataFile = (dataDir: string): string => join(dataDir, 'data.sqlite')
export const markFile = (dataDir: string): string => join(dataDir, 'acknowledged')

export const addressFile = (dataDir: string): string => join(dataDir, 'address')

/** A new file in the data directory, in which a backup is made. */
export function backupFile(dataDir: string): string {
  return join(dataDir, `backup-${randomBytes(6).toString('hex')}.sqlite`)
}

/** An error whose message tells people what is wrong with a data directory. */
export class DamagedData extends Error {
  constructor(dataDir: string, what: string) {
    super(
      `The data in ${dataDir} are damaged: ${what}. Nothing has been changed. Restore a backup with \`lockstep restore\`, or keep what is whole with \`lockstep repair\`.`,
    )
  }
}

export class Mark {
  readonly #fd: number
  readonly #bytes = Buffer.alloc(MARK_BYTES)

  constructor(dataDir: string) {
    const isNew = !fs.existsSync(markFile(dataDir))
    this.#fd = fs.openSync(markFile(dataDir), isNew ? 'w+' : 'r+', 0o600)
    if (!isNew) return
    this.write(0)
    fs.fsyncSync(this.#fd)
  }

  /** Records that everything up to this position is on disk. */
  write(position: number): void {
    this.#bytes.writeUInt32LE(MARK_VERSION, 0)
    this.#bytes.writeDoubleLE(position, 4)
    this.#bytes.writeUInt32LE(crc32(this.#bytes.subarray(0, 12)), 12)
    fs.writeSync(this.#fd, this.#bytes, 0, MARK_BYTES, 0)
  }

  close(): void {
    fs.closeSync(this.#fd)
  }
}

/** The position of the mark; undefined if there is none. Throws if it is damaged. */
export function readMark(dataDir: string): number | undefined {
  if (!fs.existsSync(markFile(dataDir))) return undefined
  const bytes = fs.readFileSync(markFile(dataDir))
  const isWhole =
    bytes.length === MARK_BYTES && crc32(bytes.subarray(0, 12)) === bytes.readUInt32LE(12)
  if (!isWhole) throw new DamagedData(dataDir, 'the file `acknowledged` is not what was written')
  return bytes.readDoubleLE(4)
}

/** Makes sure that the directory is what its last server left; creates it if it is missing. */
export function checkDataFiles(dataDir: string): void {
  fs.mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  giveUpReserveToStart(dataDir)
  const file = dataFile(dataDir)
  const mark = readMark(dataDir)
  const size = fs.existsSync(file) ? fs.statSync(file).size : undefined
  if (!size) {
    if (mark !== undefined && mark > 0)
      throw new DamagedData(dataDir, `data.sqlite is ${size === undefined ? 'missing' : 'empty'}`)
    if (size === undefined && fs.existsSync(`${file}-wal`))
      throw new DamagedData(dataDir, 'data.sqlite is missing, and its journal is there')
    return
  }
  const { format, position } = probe(dataDir, file)
  if (format === 0 && !mark) return
  if (mark === undefined) throw new DamagedData(dataDir, 'the file `acknowledged` is missing')
  if (position < mark)
    throw new DamagedData(dataDir, 'writes that were acknowledged are missing at its end')
}

/** Opens a database file and changes nothing. Throws an error for people if a server uses it. */
export function openForReading(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { readOnly: true })
  try {
    db.exec('PRAGMA busy_timeout = 0')
    db.prepare('SELECT count(*) FROM sqlite_schema').get()
    return db
  } catch (error) {
    db.close()
    throw unlessInUse(error, dirname(file))
  }
}

/** An error whose message tells people that a server is using a data directory. */
export class DataInUse extends Error {
  constructor(dataDir: string) {
    super(
      `The data directory ${dataDir} is in use by another process. Stop that process first, or start with another data directory.`,
    )
  }
}

/** What to throw for an error of SQLite. */
export function unlessInUse(error: unknown, dataDir: string): unknown {
  return /locked|busy/i.test(String(error)) ? new DataInUse(dataDir) : error
}

function probe(dataDir: string, file: string): { format: number; position: number } {
  let db: DatabaseSync | undefined
  try {
    db = openForReading(file)
    const format = Number(db.prepare('PRAGMA user_version').get()!.user_version)
    if (format > FORMAT)
      throw new Error(
        `The data in ${dataDir} have format ${format}, which this version doesn't know (${FORMAT}). Use the version that wrote them.`,
      )
    const oplog = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'oplog'").get()
    if (!oplog) return { format: 0, position: 0 }
    return { format, position: Number(db.prepare('SELECT max(ts) AS ts FROM oplog').get()?.ts) }
  } catch (error) {
    throw isDamage(error) ? new DamagedData(dataDir, String((error as Error).message)) : error
  } finally {
    db?.close()
  }
}

const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

/** The error of SQLite for a damaged file, for damage that SQLite itself doesn't see. */
export const damaged = (what: string): Error =>
  Object.assign(new Error(`database disk image is malformed: ${what}`), { errcode: SQLITE_CORRUPT })

/** Whether SQLite says that its file is damaged. */
export function isDamage(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode ?? 0
  return [SQLITE_CORRUPT, SQLITE_NOTADB].includes(code & 0xff)
}
