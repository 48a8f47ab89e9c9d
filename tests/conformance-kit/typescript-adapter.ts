// `@lockstep/client` as the conformance kit asks for it: lines of JSON in, lines of JSON out.
import { createInterface } from 'node:readline'
import { createEngine, type Engine, type Json } from '@lockstep/client'
import type { AdapterAnswer, AdapterRequest } from '@lockstep/conformance'
import { predictDecision, reduceState } from './protocol-answers.ts'

const devices = new Map<string, Engine>()

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, ...request } = JSON.parse(line) as { id: number } & AdapterRequest
  process.stdout.write(`${JSON.stringify({ id, ...answerTo(request) })}\n`)
})
process.stdin.on('end', () => {
  for (const engine of devices.values()) void engine.stop()
})

function answerTo(request: AdapterRequest): AdapterAnswer {
  switch (request.do) {
    case 'reduce':
      return { result: reduceState(request) ?? null }
    case 'decide':
      return predictDecision(request)
    case 'connect': {
      const { origin, token } = request
      const engine = createEngine({ origin, token: () => token, records: ['note'] })
      devices.set(request.device, engine)
      void engine.start()
      return { result: null }
    }
    case 'open':
      // a conversation that is purged meanwhile isn't found
      devices
        .get(request.device)!
        .conversations.open(request.conversation_id)
        .catch(() => {})
      return { result: null }
    case 'send':
      send(devices.get(request.device)!, request)
      return { result: null }
    case 'state':
      return { result: stateOf(devices.get(request.device)!, request.conversation_id) }
    case 'reconnect':
      devices.get(request.device)!.nudge()
      return { result: null }
    case 'disconnect':
      void devices.get(request.device)?.stop()
      devices.delete(request.device)
      return { result: null }
  }
}

function send(engine: Engine, { topic, command, payload }: AdapterRequest & { do: 'send' }): void {
  const { conversations, preferences, records } = engine
  // the kit sends what its cases list, in the contract's shapes
  const fields = payload as {
    conversation_id: string
    id: string
    data: Parameters<typeof records.put>[1]
    patch: Parameters<typeof preferences.update>[0]
    message: Parameters<typeof conversations.append>[1]
    messages?: { id: string; content: string }[]
    message_ids: string[]
    title?: string
    pinned?: boolean
    archived?: boolean
    metadata?: Record<string, Json>
  }
  const { conversation_id, messages, title, pinned, archived, metadata } = fields
  const { id, data } = fields
  if (topic === 'preferences') preferences.update(fields.patch)
  else if (topic === 'records' && command === 'put') records.put('note', data, { id })
  else if (topic === 'records' && command === 'patch') records.patch('note', id, data)
  else if (topic === 'records') records.delete('note', id)
  else if (command === 'append') conversations.append(conversation_id, fields.message)
  else if (command === 'delete_messages')
    conversations.deleteMessages(conversation_id, fields.message_ids)
  else if (command === 'delete') conversations.delete(conversation_id)
  else if (messages) conversations.edit(conversation_id, messages[0]!.id, messages[0]!.content)
  else conversations.update(conversation_id, { title, pinned, archived, metadata })
}

function stateOf(engine: Engine, conversation_id: string | null) {
  const { state, connection, conversations, preferences, agents, records, account } = engine
  const lists = ['active', 'archived', 'trash'] as const
  return {
    status: state.name === 'signed-out' ? 'signed_out' : state.name,
    connection,
    settled: [conversations, preferences, agents, records, account].every(({ settled }) => settled),
    conversations: lists.flatMap((list) => conversations.list(list).items.map(({ id }) => id)),
    conversation: (conversation_id && conversations.get(conversation_id)) || null,
    preferences: preferences.value,
    records: Object.fromEntries(records.list('note').map(({ id, data }) => [id, data])),
    outbox: engine.outbox.map(({ mutation_id, status }) => ({ mutation_id, status })),
  }
}
