// What the people of a simulation do: those of docs/scale.md. They have a tab at each node.
import { newId } from '@lockstep/protocol/ids'
import type { CommandContext } from '../../realtime/log/entry.ts'
import { inBatches } from '../cluster/bulk-users.ts'
import type { SimulatedDevice, Seen } from './simulated-device.ts'
import type { SimulatedNode } from './simulated-node.ts'

export interface Person {
  id: string
  cookie: string
  devices: SimulatedDevice[]
}

const MINUTE_MS = 60_000
/** Of 1: people who change something, how often, and people who get a streamed reply. */
const mix = { active: 0.1, changesPerMinute: 2, streaming: 0.01, deltasPerSecond: 25 }
const text =
  'A message of an ordinary length, as people write them: about a hundred characters or so'
const message = { role: 'user', content: text } as const

interface Writer {
  person: Person
  conversation_id: string
}

/** Gives each person who will write a conversation. */
export async function createConversations(
  people: Person[],
  node: SimulatedNode,
): Promise<Writer[]> {
  const writing = people.slice(0, Math.ceil(people.length * (mix.active + mix.streaming)))
  const writers = writing.map((person) => ({ person, conversation_id: newId() }))
  await inBatches(writers.length, async (index) => {
    const { person, conversation_id: id } = writers[index]!
    await node.conversations.change('create', by(person.id), { id })
  })
  return writers
}

export interface Acting {
  writers: Writer[]
  nodes: SimulatedNode[]
  random: () => number
  /** Whether the time of the mix is over. */
  isOver(): boolean
  seen: Seen
}

/** Lets everybody act at random moments until the time is over. Returns the number of changes. */
export function startMix({ writers, nodes, random, isOver, seen }: Acting): () => number {
  let changes = 0
  const streaming = Math.ceil((writers.length * mix.streaming) / (mix.active + mix.streaming))

  /** Calls back so many times a minute on average. */
  function often(perMinute: number, act: () => void): void {
    const next = () =>
      setTimeout(
        () => {
          if (isOver()) return
          act()
          next()
        },
        (-Math.log(1 - random()) * MINUTE_MS) / perMinute,
      )
    next()
  }

  function write({ person: { devices }, conversation_id }: Writer): void {
    often(mix.changesPerMinute, () => {
      changes++
      const device = devices[Math.floor(random() * devices.length)]!
      const mutation_id = newId()
      device.command('conversations', 'append', { mutation_id, conversation_id, message })
    })
  }

  function stream({ person: { id: user_id }, conversation_id }: Writer, node: SimulatedNode): void {
    const run_id = newId()
    const delta = { text: 'a few words ', offset: 0 }
    often(60 * mix.deltasPerSecond, () => {
      const sent = { entity_id: conversation_id, run_id, ...delta }
      node.gateway.delta(user_id, 'conversations', sent)
      delta.offset += delta.text.length
    })
    often(60, () => {
      changes++
      node.conversations
        .change('append', by(user_id), { conversation_id, message })
        .catch((error: unknown) => seen.faults.push(`a piece was not appended: ${String(error)}`))
    })
  }

  for (const [index, writer] of writers.entries())
    if (index < streaming) stream(writer, nodes[index % nodes.length]!)
    else write(writer)
  return () => changes
}

const by = (user_id: string): CommandContext => ({
  user_id,
  session_id: null,
  device: 'simulation',
  mutation_id: newId(),
})
