// Folders that only this server's user may enter. Somebody else on the machine must neither read
// what the server keeps nor put anything there that the server would trust.
import { chmodSync, lstatSync, mkdirSync, readdirSync, type Stats } from 'node:fs'
import { join } from 'node:path'

const FOLDER_MODE = 0o700
const FILE_MODE = 0o600
/** Everybody but the owner. */
const OTHERS = 0o077
const OTHERS_WRITE = 0o022

/** Windows has no user ids; its folders inherit the rights of the user's own. */
const isOurs = ({ uid }: Stats): boolean => process.getuid === undefined || uid === process.getuid()

/**
 * Takes other users' rights to the folder and everything in it away. Files of another user stay as
 * they are, and links are not followed.
 */
export function makePrivate(folder: string): void {
  takeRights(folder)
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) makePrivate(path)
    else if (entry.isFile()) takeRights(path)
  }
}

function takeRights(path: string): void {
  const stats = lstatSync(path)
  if (!isOurs(stats) || (stats.mode & OTHERS) === 0) return
  chmodSync(path, stats.isDirectory() ? FOLDER_MODE : stats.mode & 0o100 ? FOLDER_MODE : FILE_MODE)
}

/**
 * Creates the folder for this user alone, or checks it. False if it can't be made, is no folder,
 * belongs to somebody else, or if others could have put something there.
 */
export function isTrusted(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: FOLDER_MODE })
    const stats = lstatSync(folder)
    if (!stats.isDirectory() || !isOurs(stats) || (stats.mode & OTHERS_WRITE) !== 0) return false
    takeRights(folder)
    return true
  } catch {
    return false
  }
}
