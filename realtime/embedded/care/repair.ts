// Makes a new database of everything in a damaged one that is whole.
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { Doc } from '../bson/doc.ts'
import { DatabaseEngine } from '../engine.ts'
import { pace } from '../pace.ts'
import { defaultSettings } from '../settings.ts'
import {
  dataFile,
  DamagedData,
  DataInUse,
  openForReading,
  readMark,
} from '../storage/data-files.ts'
import { replaceData } from './backup.ts'
import { collectionsIn, greatest, storedRows } from './verify.ts'

export interface Repair {
  readonly documents: number
  readonly lost: readonly string[]
  /** The folder with the damaged files. */
  readonly former: string | undefined
}

/**
 * Repairs a data directory that no server uses. The damaged files are moved aside. Throws an error
 * whose message is for people if nothing can be read.
 */
export async function repairData(dataDir: string): Promise<Repair> {
  const lost: string[] = []
  const source = openDamaged(dataDir)
  const folder = mkdtempSync(join(dataDir, 'repair-'))
  try {
    const engine = new DatabaseEngine(folder, defaultSettings, (error) => {
      throw error
    })
    let documents: number
    try {
      documents = await copyDocuments(source, engine, lost)
      beginHistory(source, engine, markOf(dataDir, lost), lost)
    } finally {
      engine.close()
      source.close()
    }
    return { documents, lost, former: replaceData(dataDir, dataFile(folder)) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function openDamaged(dataDir: string): DatabaseSync {
  try {
    const db = openForReading(dataFile(dataDir))
    collectionsIn(db)
    return db
  } catch (error) {
    if (error instanceof DataInUse) throw error
    throw new DamagedData(dataDir, 'nothing in them can be read, so only a backup can help')
  }
}

function markOf(dataDir: string, lost: string[]): number {
  try {
    return readMark(dataDir) ?? 0
  } catch {
    lost.push('the file `acknowledged`: whether writes are missing at the end is not known')
    return 0
  }
}

async function copyDocuments(
  source: DatabaseSync,
  engine: DatabaseEngine,
  lost: string[],
): Promise<number> {
  let documents = 0
  for (const stored of collectionsIn(source)) {
    const ns = `${stored.db}.${stored.name}`
    const { db, name, options, uuid } = stored
    const collection = engine.catalog.create(db, name, options, uuid)
    for (const { spec } of stored.indexes)
      if (spec.name !== '_id_')
        engine.catalog.finishIndex(engine.catalog.addIndex(collection, spec))
    for (const { row, bytes } of storedRows(source, stored)) {
      if (bytes) {
        try {
          engine.documents.atomically(() =>
            engine.documents.insertStored(collection, Doc.read(bytes), bytes),
          )
          documents++
        } catch (error) {
          lost.push(`${ns}: the document in row ${row}: ${(error as Error).message}`)
        }
      } else {
        lost.push(`${ns}: the document in row ${row}, whose bytes are damaged`)
      }
      if (pace.isDue) await pace.rest()
    }
  }
  return documents
}

/** Lets change streams start anew, at a time beyond all that clients may have seen. */
function beginHistory(
  source: DatabaseSync,
  { store, oplog }: DatabaseEngine,
  mark: number,
  lost: string[],
): void {
  const last = greatest(source, 'ts', 'oplog')
  if (last < mark) lost.push('the last acknowledged writes, which are missing at the end')
  store.run('DELETE FROM oplog')
  oplog.advanceTo(Math.max(last, mark))
  oplog.append('n')
}
