// Backups: a file with everything, made while a server runs, and put back in place of the data.
import { copyFileSync, existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { Doc } from '../bson/doc.ts'
import { encode } from '../bson/encode.ts'
import { addressFile, backupFile, DamagedData, dataFile, isDamage } from '../storage/data-files.ts'
import { heldByAnother, SqliteStore } from '../storage/sqlite-store.ts'
import { FrameReader } from '../wire/frame-reader.ts'
import { replaceData } from './replace-data.ts'
import { openForReading } from './stored-collections.ts'
import { verifyData } from './verify.ts'

/**
 * Writes everything that is committed to `file`. A server that uses the data directory goes on.
 * Rejects with an error whose message is for people if the file exists.
 */
export async function backupData(dataDir: string, file: string): Promise<void> {
  if (existsSync(file)) throw new Error(`${file} exists. Name a file that doesn't exist yet.`)
  if (!existsSync(dataFile(dataDir))) throw new Error(`There are no data in ${dataDir}.`)
  const made = (await askServer(dataDir)) ?? (await copyOffline(dataDir))
  try {
    renameSync(made, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error
    copyFileSync(made, file)
  } finally {
    rmSync(made, { force: true })
  }
}

async function copyOffline(dataDir: string): Promise<string> {
  const made = backupFile(dataDir)
  const store = new SqliteStore(dataDir, () => undefined)
  try {
    await store.backup(made)
  } finally {
    store.close()
  }
  return made
}

/** The error code of a server that doesn't know `backup`, such as a mongod at the same address. */
const COMMAND_NOT_FOUND = 59

/** Asks the server of a data directory for a backup; undefined if no server is there. */
function askServer(dataDir: string): Promise<string | undefined> {
  if (!existsSync(addressFile(dataDir))) return Promise.resolve(undefined)
  const address = readFileSync(addressFile(dataDir), 'utf8')
  const [host, port] = address.split(':')
  const socket = address.startsWith('/')
    ? createConnection(address)
    : createConnection(Number(port), host)
  return new Promise((resolve, reject) => {
    const frames = new FrameReader(1024 * 1024)
    socket.on('error', () => resolve(undefined))
    socket.on('close', () => resolve(undefined))
    socket.on('connect', () => socket.write(backupRequest()))
    socket.on('data', (chunk) => {
      for (const frame of frames.push(chunk)) {
        const reply = Doc.read(frame.subarray(21))
        const file = reply.get('file')
        if (typeof file === 'string') resolve(file)
        else if (Number(reply.get('code')) === COMMAND_NOT_FOUND) resolve(undefined)
        else reject(new Error(String(reply.get('errmsg'))))
        socket.destroy()
      }
    })
  })
}

function backupRequest(): Buffer {
  const body = encode({ backup: 1, $db: 'admin' })
  const head = Buffer.alloc(21)
  head.writeInt32LE(head.length + body.length, 0)
  head.writeInt32LE(2013, 12)
  return Buffer.concat([head, body])
}

/**
 * Puts a backup in place of the data of a directory that no server uses. Returns the folder to
 * which the former data were moved. Throws an error whose message is for people if the backup is
 * damaged.
 */
export function restoreData(dataDir: string, file: string): string | undefined {
  if (!existsSync(file)) throw new Error(`There is no file ${file}.`)
  const { faults } = verifyData(file)
  if (faults.length > 0)
    throw new Error(`The backup ${file} is damaged: ${faults[0]}. Take another one.`)
  if (existsSync(dataFile(dataDir))) checkUnused(dataDir)
  return replaceData(dataDir, file)
}

function checkUnused(dataDir: string): void {
  try {
    const db = openForReading(dataFile(dataDir))
    db.prepare('SELECT count(*) FROM sqlite_schema').get()
    db.close()
  } catch (error) {
    if (/locked|busy/i.test(String(error))) throw heldByAnother(dataDir)
    // Damaged data mustn't prevent a restore: they are the reason for it.
    if (!isDamage(error) && !(error instanceof DamagedData)) throw error
  }
}
