// Moves the write-ahead log (WAL) into the data file, and wipes deleted content that SQLite leaves
// in that file.
//
//   commit ─► WAL: whole pages ─ checkpoint ─► data file ─ wipe the moved pages' unused bytes
//                                                          │
//             truncate: empty the WAL ◄────────────────────┘ flushed
//
// With `secure_delete`, SQLite overwrites a deleted cell. It doesn't overwrite the former place of
// a cell that it has moved to another page or within its page, so deleted content may survive
// there. Pages get into the data file by checkpoints only. Therefore every checkpoint is made here,
// and wipes the unused bytes of the pages that it has moved.
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { damaged } from './data-files.ts'

const WAL_HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
const FILE_HEADER_BYTES = 100
/** Kinds of pages that have cells: inner pages and leaves of indexes and of tables. */
const INNER_KINDS: ReadonlySet<number> = new Set([2, 5])
const LEAF_KINDS: ReadonlySet<number> = new Set([10, 13])
/** Other pages begin with a page's number, which can't look like a kind in a smaller file. */
const MAX_PAGES = 2 * 2 ** 24
/** The size of the log at which SQLite itself would make a checkpoint. */
const PAGES_PER_CHECKPOINT = 1_000
/** What a statement counts in addition to its bytes: small ones share their pages. */
const SHARED_PAGE = 0.25

export class Checkpoints {
  readonly #db: DatabaseSync
  readonly #walFile: string
  /** Stays open: the locks of a process on a file end as soon as it closes any descriptor of it. */
  readonly #fd: number
  readonly #pageBytes: number
  #written = 0
  /** The pages in the log for each that was counted: many if index keys come in no order. */
  #spread = 1
  /** The size of the data file when it was last looked at. */
  #size: number

  constructor(db: DatabaseSync, file: string) {
    this.#db = db
    this.#walFile = `${file}-wal`
    this.#fd = openSync(file, 'r+')
    this.#size = fstatSync(this.#fd).size
    const { page_size } = db.prepare('PRAGMA page_size').get() as { page_size: number }
    this.#pageBytes = page_size
  }

  noteWrite(bytes: number): void {
    this.#written += SHARED_PAGE + bytes / this.#pageBytes
  }

  get isDue(): boolean {
    return this.#written * this.#spread >= PAGES_PER_CHECKPOINT
  }

  /** By how many bytes the data file grows when everything in the log is moved into it. */
  get growth(): number {
    const { page_count } = this.#db.prepare('PRAGMA page_count').get() as { page_count: number }
    return Math.max(0, page_count * this.#pageBytes - fstatSync(this.#fd).size)
  }

  /**
   * Moves everything that is committed into the data file. With `truncate`, nothing of it remains
   * in the log either. If the disk is full, the log keeps it until the next checkpoint. Throws if
   * the data file has become shorter since the last checkpoint.
   */
  run({ truncate = false } = {}): void {
    // SQLite itself would fill with zeros what a short log can't account for.
    if (fstatSync(this.#fd).size < this.#size) throw damaged('its file has become shorter')
    const moved = this.#checkpoint('PASSIVE')
    if (this.isDue) this.#spread = Math.max(1, moved / this.#written)
    this.#written = 0
    const wiper = new PageWiper(this.#fd, this.#pageBytes)
    for (const page of this.#pagesInLog(moved)) wiper.wipe(page)
    wiper.flush()
    this.#size = fstatSync(this.#fd).size
    // The log is emptied after the wipe: if the process dies before, the pages are still in the
    // log.
    if (!truncate) return
    this.#checkpoint('TRUNCATE')
    // A page in memory isn't wiped, and would get into the log with its next change.
    this.#db.exec('PRAGMA shrink_memory')
  }

  close(): void {
    closeSync(this.#fd)
  }

  #checkpoint(mode: 'PASSIVE' | 'TRUNCATE'): number {
    const result = this.#db.prepare(`PRAGMA wal_checkpoint(${mode})`).get() as { log: number }
    return result.log
  }

  #pagesInLog(frames: number): Set<number> {
    const pages = new Set<number>()
    if (frames <= 0) return pages
    const log = openSync(this.#walFile, 'r')
    const number = Buffer.alloc(4)
    for (let frame = 0; frame < frames; frame++) {
      const at = WAL_HEADER_BYTES + frame * (FRAME_HEADER_BYTES + this.#pageBytes)
      readSync(log, number, 0, 4, at)
      pages.add(number.readUInt32BE())
    }
    closeSync(log)
    return pages
  }
}

/** Overwrites bytes of a database file that mean nothing. */
class PageWiper {
  readonly #pages: number
  readonly #fd: number
  readonly #page: Buffer
  readonly #zeros: Buffer
  #hasWritten = false

  constructor(fd: number, pageBytes: number) {
    this.#fd = fd
    this.#page = Buffer.alloc(pageBytes)
    this.#zeros = Buffer.alloc(pageBytes)
    this.#pages = Math.floor(fstatSync(fd).size / pageBytes)
  }

  /** Wipes what the page has between its list of cells and its cells, and between the cells. */
  wipe(number: number): void {
    if (number > this.#pages || this.#pages >= MAX_PAGES) return
    const page = this.#read(number)
    const at = number === 1 ? FILE_HEADER_BYTES : 0
    const kind = page[at]!
    const isInner = INNER_KINDS.has(kind)
    if (!isInner && !LEAF_KINDS.has(kind)) return
    const pointers = at + (isInner ? 12 : 8) + 2 * page.readUInt16BE(at + 3)
    const cells = page.readUInt16BE(at + 5) || 65_536
    if (pointers > cells || cells > page.length) return
    this.#clear(number, pointers, cells)
    let [block, last] = [page.readUInt16BE(at + 1), 0]
    while (block > last && block <= page.length - 4) {
      this.#clear(number, block + 4, Math.min(block + page.readUInt16BE(block + 2), page.length))
      last = block
      block = page.readUInt16BE(block)
    }
  }

  flush(): void {
    if (this.#hasWritten) fsyncSync(this.#fd)
  }

  #read(number: number): Buffer {
    readSync(this.#fd, this.#page, 0, this.#page.length, (number - 1) * this.#page.length)
    return this.#page
  }

  /** Clears bytes of the page that was read last. Writes no others: SQLite may use those. */
  #clear(number: number, from: number, to: number): void {
    const length = to - from
    if (length <= 0 || this.#page.compare(this.#zeros, 0, length, from, to) === 0) return
    writeSync(this.#fd, this.#zeros, 0, length, (number - 1) * this.#page.length + from)
    this.#hasWritten = true
  }
}
