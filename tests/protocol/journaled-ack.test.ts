// The order of insert and ack. The line from the database is paused once the insert has gone out:
// the database then holds the entry, and the node hasn't heard so yet.
import { MongoClient, type CommandStartedEvent, type Document } from 'mongodb'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { Ack } from '@lockstep/protocol/sync'
import { addressOf, freshDatabase, throughAddress, type TestDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'
import { Wire } from '../harness/wire.ts'
import type { ChangeDocument } from '../../realtime/store/documents.ts'

/** The commands that insert into the log, as the driver sends them. */
const inserts: Document[] = []
/** The insert, counted from 1, whose reply is kept from the node. */
let pausedInsert: number | undefined
let database: TestDatabase
let wire: Wire
let node: TestNode

beforeAll(async () => {
  const connect = MongoClient.prototype.connect
  vi.spyOn(MongoClient.prototype, 'connect').mockImplementation(function (this: MongoClient) {
    const note = ({ command }: CommandStartedEvent) => {
      if (command.insert !== 'changes') return
      inserts.push(command)
      if (inserts.length === pausedInsert) wire.pause('down')
    }
    return connect.call(Object.assign(this, { monitorCommands: true }).on('commandStarted', note))
  })
  database = freshDatabase()
  wire = await Wire.to(addressOf(database.url))
  node = await startNode({ url: throughAddress(database.url, wire.address) })
})
afterAll(async () => {
  await node.stop()
  vi.restoreAllMocks()
  await wire[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

test('LOG-2 P4: an ack is sent after the insert is journaled by a majority, and not before the database says so', async () => {
  await using direct = await MongoClient.connect(database.url)
  const person = await signUp(node)
  await using device = await person.device('conversations')
  const { data } = await device.done('create', { title: 'First' })
  const conversation_id = data.id as string

  pausedInsert = inserts.length + 1
  let ack: Ack | undefined
  const update = { mutation_id: newId(), conversation_id, title: 'Inserted' }
  const acked = device.send<Ack>('update', update).then((answer) => (ack = answer))
  const entries = direct.db().collection<ChangeDocument>('changes')
  const { mutation_id } = update
  await eventually(async () => (await entries.countDocuments({ mutation_id })) === 1)
  expect(inserts).toHaveLength(pausedInsert)
  expect(inserts.at(-1)!.writeConcern).toMatchObject({ w: 'majority', j: true })
  // The node answers what needs no database, and its acks come in the order in which it sends them.
  expect(await device.refused('update', { conversation_id, title: 1 })).toMatchObject({
    code: 'invalid',
  })
  expect(ack).toBeUndefined()

  wire.resume('down')
  expect(await acked).toMatchObject({ ok: true, seq: 2 })
})
