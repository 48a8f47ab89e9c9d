// Runs the `lockstep` command on the database of a node that serves: in this process, or as a
// process of its own.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MongoClient, Db } from 'mongodb'
import { afterAll, beforeAll } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { openClient } from '../harness/database.ts'
import { runProgram } from '../../realtime/program.ts'
import { signUp, type Person } from '../harness/person.ts'
import { startProcess } from '../harness/processes.ts'
import { programPath } from '../harness/programs.ts'
import { sharedNodes } from '../harness/shared-node.ts'

interface CommandResult {
  code: number
  lines: Record<string, unknown>[]
  told: string
}

/** An account that has been used in many ways: a live conversation, a purged one, and more. */
export interface UsedAccount {
  person: Person
  id: string
  purged: string
}

/** To be called once in a test file. `folder` and `db` exist while its tests run. */
export function operatorFixture() {
  const shared = sharedNodes()
  let folder: string
  let client: MongoClient
  let db: Db
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lockstep-operator-'))
    client = await openClient(shared.database.url)
    db = client.db()
  })
  afterAll(async () => {
    await client.close()
    await rm(folder, { recursive: true })
  })

  const settings = () => ({ MONGODB_URL: shared.database.url, DATA_DIR: folder, NODE_ENV: 'test' })

  /** Runs `lockstep` with these arguments in this process. */
  async function lockstep(...args: string[]): Promise<CommandResult> {
    const printed: string[] = []
    const told: string[] = []
    const code = await runProgram(args, settings(), {
      print: (line) => void printed.push(line),
      tell: (line) => void told.push(line),
      readInput: () => Promise.resolve(''),
      onInterrupt: () => ({ [Symbol.dispose]: () => undefined }),
    })
    const lines = printed.filter((line) => line.startsWith('{'))
    return {
      code,
      lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>),
      told: told.join('\n'),
    }
  }

  /** Runs it as a process of its own. */
  const lockstepProcess = (...args: string[]) =>
    startProcess({
      command: process.execPath,
      args: [programPath('lockstep'), ...args],
      env: settings(),
    })

  async function createUsedAccount(name: string): Promise<UsedAccount> {
    const person = await signUp(shared.node, name)
    const [id, trashed, purged] = [newId(), newId(), newId()]
    for (const conversation of [id, trashed, purged])
      await person.ask('createConversation', {
        body: { id: conversation, messages: [{ role: 'user', content: 'SECRET' }] },
      })
    await person.ask('putConversation', {
      params: { id },
      body: { title: 'T', metadata: { a: 1 }, messages: [{ role: 'assistant', content: 'x' }] },
    })
    await person.ask('deleteConversation', { params: { id: trashed } })
    await person.ask('purgeConversation', { params: { id: purged } })
    await person.ask('putPreferences', { body: { theme: 'dark' } })
    await person.ask('putPreferences', { body: { theme: null } })
    await (await person.signIn()).ask('logout')
    await person.ask('renameMe', { body: { username: `${person.user.username}-2` } })
    return { person, id, purged }
  }

  return {
    shared,
    lockstep,
    lockstepProcess,
    createUsedAccount,
    pathOf: (file: string) => join(folder, file),
    collection: ((name: string) => db.collection(name)) as Db['collection'],
  }
}
