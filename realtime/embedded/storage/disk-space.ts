// Watches the free space of a data directory's disk, so that a write is refused before it begins.
// If a transaction meets a full disk, SQLite rolls it back, and everything in memory would then be
// ahead of the file.
import fs from 'node:fs'
import { join } from 'node:path'

const MB = 1024 * 1024
/** With less free space than this, nothing new is stored. */
const REQUIRED_BYTES = 8 * MB
/** A file that is emptied when space is short: the transaction ends, and changes can complete. */
const RESERVE_BYTES = 4 * MB
/** With less free space than this, no transaction begins. */
const COMMIT_BYTES = MB
/** The part that stays for the next start: SQLite has to write before it can read. */
const START_BYTES = MB / 4

const reserveFile = (dataDir: string): string => join(dataDir, 'reserve')

function freeBytes(dataDir: string): number {
  const { bavail, bsize } = fs.statfsSync(dataDir)
  return bavail * bsize
}

/** Makes sure that the data can be read on a full disk. */
export function giveUpReserveToStart(dataDir: string): void {
  const file = reserveFile(dataDir)
  if (fs.existsSync(file) && freeBytes(dataDir) < COMMIT_BYTES) fs.truncateSync(file)
}

export class DiskSpace {
  readonly #dataDir: string
  readonly #reserve: number
  #hasReserve = false

  constructor(dataDir: string) {
    this.#dataDir = dataDir
    this.#reserve = fs.openSync(reserveFile(dataDir), 'a', 0o600)
    this.#hasReserve = fs.fstatSync(this.#reserve).size >= RESERVE_BYTES
    this.#restoreReserve()
  }

  /** Whether something new may be stored. */
  get allowsGrowth(): boolean {
    this.#restoreReserve()
    return freeBytes(this.#dataDir) >= REQUIRED_BYTES
  }

  /** Whether a transaction may begin. */
  get allowsChanges(): boolean {
    this.giveUpReserve()
    return freeBytes(this.#dataDir) >= COMMIT_BYTES
  }

  /** Whether a file may grow by so many bytes, and commits go on. */
  allows(bytes: number): boolean {
    return freeBytes(this.#dataDir) >= bytes + 2 * COMMIT_BYTES
  }

  giveUpReserve(): void {
    if (!this.#hasReserve || freeBytes(this.#dataDir) >= 2 * COMMIT_BYTES) return
    fs.ftruncateSync(this.#reserve, START_BYTES)
    this.#hasReserve = false
  }

  #restoreReserve(): void {
    if (this.#hasReserve || freeBytes(this.#dataDir) < REQUIRED_BYTES + RESERVE_BYTES) return
    try {
      fs.ftruncateSync(this.#reserve)
      fs.writeSync(this.#reserve, Buffer.alloc(RESERVE_BYTES))
      fs.fsyncSync(this.#reserve)
      this.#hasReserve = true
    } catch {
      fs.ftruncateSync(this.#reserve)
    }
  }

  close(): void {
    fs.closeSync(this.#reserve)
  }
}
