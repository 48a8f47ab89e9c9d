// Connects a database with the keys of its users. A database whose content has been sealed once
// knows its folder of keys by name, and can't be used without it.
import type { Collection, Db, Document } from 'mongodb'
import type { ChangeDocument } from '../documents.ts'
import type { DataKeys } from './data-keys.ts'
import { KeyMissing, sealCollection, Sealer } from './sealed-collection.ts'
import { sealedFields } from './sealed-fields.ts'

export interface Sealing {
  keys: DataKeys
  /** Opens an entry that was not read from the collection, but from its change stream. */
  openEntry(entry: ChangeDocument): ChangeDocument
  /** What this entry would have in the place of this fingerprint. */
  digestOfFingerprint(_id: string, fingerprint: string): string
}

export function createSealing(keys: DataKeys): Sealing & {
  wrap<T extends Document>(
    name: keyof typeof sealedFields,
    collection: Collection<T>,
  ): Collection<T>
} {
  const entries = new Sealer(keys, sealedFields.changes)
  return {
    keys,
    openEntry(entry) {
      try {
        // Assertion: an opened entry has the fields of an entry.
        return entries.open(entry) as ChangeDocument
      } catch (error) {
        if (!(error instanceof KeyMissing)) throw error
        // One user's missing key must not keep the changes of others from their devices.
        const { data: _data, before: _before, outline: _outline, ...rest } = entry
        return { ...rest, stripped: true }
      }
    },
    digestOfFingerprint: (user_id, fingerprint) =>
      entries.digest(user_id, 'fingerprint', fingerprint),
    wrap: (name, collection) => sealCollection(collection, new Sealer(keys, sealedFields[name])),
  }
}

interface KeysDocument {
  _id: 'keys'
  /** The name of the folder. */
  folder: string
  /** When everything that existed before had been sealed. */
  sealed_at?: Date
}

const markOf = (db: Db): Collection<KeysDocument> => db.collection<KeysDocument>('schema')

/**
 * Makes sure that the folder is the one with which this database was sealed. Throws an error whose
 * message is for people if it isn't.
 */
export async function checkKeys(db: Db, keys: DataKeys | undefined): Promise<void> {
  const known = await markOf(db).findOne({ _id: 'keys' })
  if (!keys) {
    if (known)
      throw new Error(
        'The content of this database is sealed: set KEYS_DIR to the folder with the keys of its users',
      )
    return
  }
  const folder = keys.name()
  if (known && known.folder !== folder)
    throw new Error(
      'The folder in KEYS_DIR is not the one with the keys of this database: set KEYS_DIR to that one',
    )
  await markOf(db).updateOne({ _id: 'keys' }, { $setOnInsert: { folder } }, { upsert: true })
}

export const isSealedCompletely = async (db: Db): Promise<boolean> =>
  (await markOf(db).findOne({ _id: 'keys' }))?.sealed_at !== undefined

export async function noteSealedCompletely(db: Db): Promise<void> {
  await markOf(db).updateOne({ _id: 'keys' }, { $set: { sealed_at: new Date() } })
}
