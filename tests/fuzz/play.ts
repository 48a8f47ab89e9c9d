// Plays the steps of a history one after the other, without waiting for the effects of a step.
import { setTimeout as pause } from 'node:timers/promises'
import { equalJson } from '@lockstep/protocol/free-form'
import { newId } from '@lockstep/protocol/ids'
import type { Part } from '@lockstep/protocol/parts'
import { isConversation, type HeldConversation } from '@lockstep/protocol/reduce/conversation'
import { isRecord } from '@lockstep/protocol/reduce/record'
import { isRun } from '@lockstep/protocol/reduce/run'
import type { Conversation } from '@lockstep/protocol/conversations'
import type { FuzzDevice } from './fuzz-device.ts'
import type { DeviceStep, Step } from './steps.ts'
import type { FuzzCluster } from './fuzz-cluster.ts'

/** The conversations, runs and records that any device of a person has created, in order. */
interface CreatedIds {
  conversations: string[]
  runs: string[]
  records: string[]
}

export async function play(
  steps: readonly Step[],
  devices: readonly FuzzDevice[],
  cluster: FuzzCluster,
): Promise<void> {
  const created = new Map<string, CreatedIds>(
    devices.map(({ person }) => [person.user.id, { conversations: [], runs: [], records: [] }]),
  )
  for (const step of steps) {
    if (step.do === 'pause') await pause(step.ms)
    else if (!('device' in step)) await cluster.inject(step)
    else {
      const device = devices[step.device % devices.length]!
      await playStep(step, device, created.get(device.person.user.id)!)
    }
  }
}

async function playStep(step: DeviceStep, device: FuzzDevice, created: CreatedIds): Promise<void> {
  const { engine, line, person } = device
  switch (step.do) {
    case 'create': {
      const id = newId()
      created.conversations.push(id)
      const sent = engine.conversations.create({ id, title: step.title })
      return device.issue('conversations', 'create', id, sent, isConversation)
    }
    case 'prefer': {
      const { key, value } = step
      const sent = engine.preferences.update({ [key]: value })
      return device.issue(
        'preferences',
        'update',
        'preferences',
        sent,
        ({ preferences }) => (preferences[key] ?? null) === value,
      )
    }
    case 'put-record': {
      const { field, value } = step
      const id = created.records[step.record] ?? newId()
      if (!created.records.includes(id)) created.records.push(id)
      const sent = engine.records.put('note', { [field]: value }, { id })
      return device.issue(
        'records',
        'put',
        id,
        sent,
        (held) => isRecord(held) && equalJson(held.data, { [field]: value }),
      )
    }
    case 'patch-record': {
      const { field, value } = step
      const id = pick(created.records, step.record)
      if (id === undefined) return
      const sent = engine.records.patch('note', id, { [field]: value })
      return device.issue(
        'records',
        'patch',
        id,
        sent,
        (held) => isRecord(held) && (held.data[field] ?? null) === value,
      )
    }
    case 'delete-record': {
      const id = pick(created.records, step.record)
      if (id === undefined) return
      const sent = engine.records.delete('note', id)
      return device.issue(
        'records',
        'delete',
        id,
        sent,
        (held) => held !== undefined && !isRecord(held),
      )
    }
    case 'run': {
      const id = newId()
      created.runs.push(id)
      const sent = engine.agents.run({ id, agent: 'demo', input: demoPrompt(step.rate) })
      return device.issue('agents', 'run', id, sent, isRun)
    }
    case 'stop-run':
    case 'delete-run': {
      const id = pick(created.runs, step.run)
      if (id === undefined) return
      if (step.do === 'stop-run') return device.stopRun(id)
      return device.issue(
        'agents',
        'delete',
        id,
        engine.agents.delete(id),
        (held) => held !== undefined && !isRun(held),
      )
    }
    case 'sign-in':
      return void (await person.signIn().catch(() => undefined)) // the node may be down
    case 'revoke': {
      const other = engine.account.sessions.find(({ id }) => id !== person.session.id)
      if (!other) return
      const isGone = ({ sessions }: { sessions: { id: string }[] }) =>
        !sessions.some(({ id }) => id === other.id)
      return device.issue('account', 'revoke', 'account', engine.account.revoke(other.id), isGone)
    }
    case 'list':
      // the line may be down
      return void engine.conversations.loadMore(step.state).catch(() => undefined)
    case 'offline':
      line.up = false
      return
    case 'online':
      line.up = true
      return engine.nudge()
    case 'cut':
      return line.cut()
    case 'pause-reading':
    case 'resume-reading':
      device.readingPaused = step.do === 'pause-reading'
      return
    case 'disturb':
      return line.disturb(step.faults)
    default:
      return playOnConversation(step, device, pick(created.conversations, step.conversation))
  }
}

function playOnConversation(
  step: Extract<DeviceStep, { conversation: number }>,
  device: FuzzDevice,
  id: string | undefined,
): void {
  if (id === undefined) return
  const { conversations } = device.engine
  const give = (
    sent: ReturnType<typeof conversations.delete>,
    shows: (held: HeldConversation) => boolean,
  ) => device.issue('conversations', step.do, id, sent, shows)
  const view = conversations.get(id)
  switch (step.do) {
    case 'append': {
      const parts = step.text.length % 2 === 0 ? partsOf(step.text) : undefined
      const sent = conversations.append(id, { role: 'user', content: step.text, parts })
      return give(
        sent,
        has(({ messages }) => messages.some((message) => message.id === sent.id)),
      )
    }
    case 'rename':
      return give(
        conversations.rename(id, step.text),
        has(({ title }) => title === step.text),
      )
    case 'edit': {
      const message = view?.messages[step.message % Math.max(view.messages.length, 1)]
      if (!message) return
      // A message that is streaming can't be edited and stays as it is, and so does a deleted one.
      const isEdited = has(({ messages }) => {
        const other = messages.find(({ id }) => id === message.id)
        return !other || other.content === step.text || other.status === 'streaming'
      })
      return give(conversations.edit(id, message.id, step.text), isEdited)
    }
    case 'delete-message': {
      const message = view?.messages[step.message % Math.max(view.messages.length, 1)]
      if (!message) return
      const isGone = has(({ messages }) => messages.every((other) => other.id !== message.id))
      return give(conversations.deleteMessages(id, [message.id]), isGone)
    }
    case 'pin': {
      const wanted = !view?.pinned
      return give(
        conversations.pin(id, wanted),
        has(({ pinned }) => pinned === wanted),
      )
    }
    case 'archive': {
      const wanted = !view?.archived
      return give(
        conversations.archive(id, wanted),
        has(({ archived }) => archived === wanted),
      )
    }
    case 'delete':
      return give(
        conversations.delete(id),
        has(({ deleted_at }) => deleted_at !== null),
      )
    case 'restore':
      return give(
        conversations.restore(id),
        has(({ deleted_at }) => deleted_at === null),
      )
    case 'purge':
      return give(conversations.purge(id), (held) => held !== undefined && !isConversation(held))
    case 'reply': {
      const question = conversations.append(id, { role: 'user', content: demoPrompt(step.rate) })
      give(
        question,
        has(({ messages }) => messages.some((message) => message.id === question.id)),
      )
      return give(
        conversations.reply(id),
        has(({ messages }) => messages.at(-1)!.status === 'streaming'),
      )
    }
    case 'stop': {
      const reply = view?.messages.findLast(({ status }) => status === 'streaming')
      if (!reply) return
      return device.stop(id, reply.id)
    }
    case 'produce':
      return device.produce(id, step.text)
    case 'rewind':
      return device.rewind(id, step.back)
    case 'open':
      // the conversation may be gone, or the line down
      conversations.open(id).catch(() => undefined)
  }
}

/** A prompt that makes the demo agent answer at once, at this many words per second. */
/** Some replies think first, so that they have parts. */
const demoPrompt = (rate: number) =>
  `/demo ${rate > 1_000 ? 'think 0.3' : 'silent'} list rate ${rate}`

const partsOf = (text: string): Part[] => [
  { id: 'data', type: 'data-fuzz', value: { [`$${text}`]: text } },
  { id: 'text', type: 'text', text },
]

const has = (shows: (conversation: Conversation) => boolean) => (held: HeldConversation) =>
  isConversation(held) && shows(held)

const pick = (ids: readonly string[], index: number): string | undefined =>
  ids[index % Math.max(ids.length, 1)]
