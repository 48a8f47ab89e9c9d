// Measures what a running reply costs the database, with every wait shortened to a tenth: one log
// entry per interval, however fast the text arrives, and hardly any write of documents.
import { setTimeout as pause } from 'node:timers/promises'
import type { ChangeStreamInsertDocument, Document } from 'mongodb'
import { expect, test } from 'vitest'
import { replyTimings } from '../../realtime/agents/timings.ts'
import { openClient, freshDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { startNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'
import { OpenAiServer, type Answer } from './openai-server.ts'

const INTERVALS = 20
const tenth = { durableMs: replyTimings.durableMs / 10, renewMs: replyTimings.renewMs / 10 }

async function talk(answer: Answer): Promise<void> {
  let over = false
  void answer.closed.then(() => (over = true))
  while (!over) {
    answer.text('word '.repeat(5))
    await pause(5)
  }
}

test('a running reply costs about one small write per interval', async () => {
  await using server = await OpenAiServer.start(talk)
  await using database = freshDatabase()
  const assistant = { baseUrl: server.url, model: 'tiny' }
  await using node = await startNode(database, {
    assistant,
    options: { agents: { timings: tenth } },
  })
  const person = await signUp(node)
  const { id } = await person.ask('createConversation', {
    body: { messages: [{ role: 'user', content: 'Go' }] },
  })
  await using device = await person.device('conversations')
  await device.done('reply', { conversation_id: id })
  const first = await device.until('change', ({ op }) => op === 'extended')

  // the projection of the reply's start isn't part of the cost of running it
  const client = await openClient(database.url)
  const heads = client.db().collection<{ _id: string; applied: number }>('heads')
  const head = { _id: `${person.user.id}:conversations` }
  await eventually(async () => (await heads.findOne(head))!.applied >= first.seq - 1, {
    within: 30_000,
  })

  // everything that is written between two entries of the reply, in the order of the database
  const written: { coll: string; at: Date | undefined }[] = []
  const stream = client.db().watch<Document>()
  await stream.tryNext()
  const entries = () => written.filter(({ coll }) => coll === 'changes')
  while (entries().length <= INTERVALS) {
    const { ns, fullDocument } = (await stream.next()) as ChangeStreamInsertDocument
    if (ns.coll !== 'changes' && entries().length === 0) continue
    written.push({ coll: ns.coll, at: fullDocument?.at as Date | undefined })
  }
  await stream.close()
  await client.close()
  const { messages } = await person.ask('getConversation', { params: { id } })
  await device.done('stop', { conversation_id: id, message_id: messages.at(-1)!.id })

  const took = entries().at(-1)!.at!.getTime() - entries()[0]!.at!.getTime()
  const intervals = took / tenth.durableMs
  expect(INTERVALS).toBeLessThanOrEqual(intervals + 2)
  const others = written.filter(({ coll }) => coll !== 'changes').map(({ coll }) => coll)
  expect(others.length, others.join(' ')).toBeLessThanOrEqual(intervals / 4 + 2)
})
