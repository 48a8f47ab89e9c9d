// Puts a database file in the place of the present one. Whatever moment this is interrupted at, a
// server either starts with whole data or says that they are damaged.
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { dataFile, Mark, markFile, openForReading } from '../storage/data-files.ts'

/**
 * Replaces the data of a directory by a copy of `file`. Returns the folder to which the former data
 * were moved; undefined if there were none.
 */
export function replaceData(dataDir: string, file: string): string | undefined {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const target = dataFile(dataDir)
  const incoming = `${target}.incoming`
  copyFileSync(file, incoming)
  flush(incoming)
  const former = [target, `${target}-wal`, `${target}-shm`].filter((path) => existsSync(path))
  const moved = join(dataDir, `replaced-${new Date().toISOString().replaceAll(':', '-')}`)
  if (former.length > 0) mkdirSync(moved)
  for (const path of former) {
    const place = join(moved, basename(path))
    if (path === target) linkSync(path, place)
    else renameSync(path, place)
  }
  if (existsSync(markFile(dataDir))) copyFileSync(markFile(dataDir), join(moved, 'acknowledged'))
  renameSync(incoming, target)
  flush(dataDir)
  const db = openForReading(target)
  const position = Number(db.prepare('SELECT max(ts) AS ts FROM oplog').get()?.ts ?? 0)
  db.close()
  const mark = new Mark(dataDir)
  mark.write(position)
  mark.close()
  return former.length > 0 ? moved : undefined
}

function flush(path: string): void {
  const fd = openSync(path, 'r')
  fsyncSync(fd)
  closeSync(fd)
}
