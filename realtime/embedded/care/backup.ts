// Backups: a file with everything, made while a server runs, and put back in place of the data.
import fs from 'node:fs'
import { createConnection } from 'node:net'
import { basename, join } from 'node:path'
import { Doc } from '../bson/doc.ts'
import { encode } from '../bson/encode.ts'
import {
  addressFile,
  checkDataFiles,
  dataFile,
  isDamage,
  Mark,
  markFile,
  openForReading,
} from '../storage/data-files.ts'
import { FrameReader } from '../wire/message.ts'
import { verifyData } from './verify.ts'

/**
 * Writes everything that is committed to `file`. A server that uses the data directory goes on.
 * Rejects with an error whose message is for people if the file exists.
 */
export async function backupData(dataDir: string, file: string): Promise<void> {
  if (fs.existsSync(file)) throw new Error(`${file} exists. Name a file that doesn't exist yet.`)
  if (!fs.existsSync(dataFile(dataDir))) throw new Error(`There are no data in ${dataDir}.`)
  const copy = await askServer(dataDir)
  if (copy === undefined) checkDataFiles(dataDir)
  const db = openForReading(copy ?? dataFile(dataDir))
  try {
    // The file is made of what is stored, so that nothing is in it that was deleted.
    db.prepare('VACUUM INTO ?').run(file)
  } finally {
    db.close()
    if (copy !== undefined)
      for (const end of ['', '-wal', '-shm']) fs.rmSync(`${copy}${end}`, { force: true })
  }
}

/** The error code of a server that doesn't know `backup`, such as a mongod at the same address. */
const COMMAND_NOT_FOUND = 59

/** Asks the server of a data directory for a backup; undefined if no server is there. */
function askServer(dataDir: string): Promise<string | undefined> {
  if (!fs.existsSync(addressFile(dataDir))) return Promise.resolve(undefined)
  const address = fs.readFileSync(addressFile(dataDir), 'utf8')
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
  if (!fs.existsSync(file)) throw new Error(`There is no file ${file}.`)
  const { faults } = verifyData(file)
  if (faults.length > 0)
    throw new Error(`The backup ${file} is damaged: ${faults[0]}. Take another one.`)
  try {
    if (fs.existsSync(dataFile(dataDir))) openForReading(dataFile(dataDir)).close()
  } catch (error) {
    // Damaged data mustn't prevent a restore: they are the reason for it.
    if (!isDamage(error)) throw error
  }
  return replaceData(dataDir, file)
}

/**
 * Whatever moment this is interrupted at, a server either starts with whole data or says that they
 * are damaged. Replaces the data of a directory by a copy of `file`. Returns the folder to which
 * the former data were moved; undefined if there were none.
 */
export function replaceData(dataDir: string, file: string): string | undefined {
  fs.mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const target = dataFile(dataDir)
  const incoming = `${target}.incoming`
  fs.copyFileSync(file, incoming)
  flush(incoming)
  const former = [target, `${target}-wal`, `${target}-shm`].filter((path) => fs.existsSync(path))
  const moved = join(dataDir, `replaced-${new Date().toISOString().replaceAll(':', '-')}`)
  if (former.length > 0) fs.mkdirSync(moved)
  for (const path of former) {
    const place = join(moved, basename(path))
    if (path === target) fs.linkSync(path, place)
    else fs.renameSync(path, place)
  }
  if (fs.existsSync(markFile(dataDir)))
    fs.copyFileSync(markFile(dataDir), join(moved, 'acknowledged'))
  fs.renameSync(incoming, target)
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
  const fd = fs.openSync(path, 'r')
  fs.fsyncSync(fd)
  fs.closeSync(fd)
}
