// How long a change takes to its ack and to another device. The floor is a plain insert, which an
// ack can't beat.
import { MongoClient } from 'mongodb'
import { test } from 'vitest'
import type { WireChange } from '@lockstep/protocol/change'
import { newId } from '@lockstep/protocol/ids'
import { freshDatabase } from '../harness/database.ts'
import { spawnNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { printTimes, timed } from './table.ts'

const COUNT = 300
const text =
  'A message of an ordinary length, as people write them: about a hundred characters, give or take a few.'

test('a change, from the writer to the other device', async () => {
  await using database = freshDatabase()
  await using node = await spawnNode(database, { LOG_LEVEL: 'silent' })
  const person = await signUp(node)
  const floor = await bareInserts(database.url)
  const small = await appends(person, 10)
  const large = await appends(person, 10_000)
  const again = await bareInserts(database.url)
  printTimes(`A change, one after the other (${COUNT} each)`, [
    { what: 'floor: plain insert, w: majority, j: true', samples: [...floor, ...again] },
    { what: 'append to 10 messages: ack', samples: small.acks },
    { what: 'append to 10 messages: on the other device', samples: small.seen },
    { what: 'append to 10,000 messages: ack', samples: large.acks },
    { what: 'append to 10,000 messages: on the other device', samples: large.seen },
  ])
})

async function bareInserts(url: string): Promise<number[]> {
  await using client = new MongoClient(url, { writeConcern: { w: 'majority', journal: true } })
  const collection = client.db().collection<{ _id: string; text: string }>('floor')
  return await timed(COUNT, () => collection.insertOne({ _id: newId(), text }))
}

async function appends(
  person: Person,
  present: number,
): Promise<{ acks: number[]; seen: number[] }> {
  const messages = () =>
    Array.from({ length: Math.min(present, 500) }, () => ({ role: 'user' as const, content: text }))
  const { id } = await person.ask('createConversation', { body: { messages: messages() } })
  for (let count = 500; count < present; count += 500)
    await person.ask('putConversation', { params: { id }, body: { messages: messages() } })

  await using writer = await person.device('conversations')
  await using reader = await person.device('conversations')
  const sent = new Map<string, number>()
  const seen: number[] = []
  const arrived = Promise.withResolvers<void>()
  reader.socket.on('change', ({ mutation_id }: WireChange) => {
    seen.push(performance.now() - sent.get(mutation_id!)!)
    if (seen.length === COUNT) arrived.resolve()
  })
  const acks = await timed(COUNT, () => {
    const mutation_id = newId()
    sent.set(mutation_id, performance.now())
    return writer.command('append', {
      mutation_id,
      conversation_id: id,
      message: { role: 'user', content: text },
    })
  })
  await arrived.promise
  return { acks, seen }
}
