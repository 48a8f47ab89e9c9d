// One MongoDB for the whole run: the real replica set that MONGODB_URL names, else the embedded
// engine as a process of its own. The teardown drops the run's databases, kills its processes and
// removes its directory.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import type { TestProject } from 'vitest/node'
import { startEmbeddedProcess } from './embedded-process.ts'
import { killRecorded, PID_DIRECTORY } from './processes.ts'
import { prepareBundle } from './programs.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The address of the MongoDB that all tests share. */
    mongodbUrl: string
    /** The beginning of the names of this run's databases. */
    databasePrefix: string
    /** The process of the database, if it runs on this machine. */
    databasePid: number | undefined
  }
}

/**
 * Vitest calls this once per project before its first test, and the returned function after the
 * last.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'lockstep-test-'))
  const notes = (process.env[PID_DIRECTORY] ??= join(directory, 'processes'))
  mkdirSync(notes, { recursive: true })

  await prepareBundle()
  const external = process.env.MONGODB_URL || undefined
  const engine = external
    ? undefined
    : await startEmbeddedProcess(join(directory, 'data'), ['--port', '0'])
  const url = external ?? engine!.url
  const databasePrefix = `lockstep_test_${randomBytes(4).toString('hex')}_`
  project.provide('mongodbUrl', url)
  project.provide('databasePrefix', databasePrefix)
  project.provide('databasePid', engine ? engine.process.pid : await localPid(url))

  return async () => {
    try {
      if (external) await dropDatabases(url, databasePrefix)
    } finally {
      await engine?.process.kill()
      if (notes.startsWith(directory)) killRecorded(notes)
      await rm(directory, { recursive: true, force: true })
    }
  }
}

/** The process id of a real server, if it runs on this machine and tells us. */
async function localPid(url: string): Promise<number | undefined> {
  await using client = await MongoClient.connect(url, { serverSelectionTimeoutMS: 20_000 })
  const command = client.db('admin').command({ serverStatus: 1 })
  const { pid } = await command.catch(() => ({ pid: undefined }))
  const name = `/proc/${pid}/comm`
  return existsSync(name) && readFileSync(name, 'utf8').startsWith('mongod')
    ? Number(pid)
    : undefined
}

async function dropDatabases(url: string, prefix: string): Promise<void> {
  await using client = await MongoClient.connect(url, { serverSelectionTimeoutMS: 5_000 })
  const { databases } = await client.db().admin().listDatabases({ nameOnly: true })
  for (const { name } of databases)
    if (name.startsWith(prefix)) await client.db(name).dropDatabase()
}
