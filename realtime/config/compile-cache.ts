// Where Node keeps compiled code between starts. Whoever can write there can run code as this
// server, and Node's default is in the folder of temporary files, which all users share. So only a
// folder that nobody else can write is used; without one, code is compiled anew.
import { enableCompileCache } from 'node:module'
import { join, resolve } from 'node:path'
import { isTrusted } from './private-files.ts'

/** Call it first of all: it applies to what is imported afterwards. */
export function useCompileCache({ DATA_DIR }: NodeJS.ProcessEnv): void {
  const folders = [
    join(import.meta.dirname, '../../node_modules/.cache/node'),
    resolve(DATA_DIR || './data', 'compile-cache'),
  ]
  const folder = folders.find(isTrusted)
  if (folder !== undefined) enableCompileCache(folder)
}
