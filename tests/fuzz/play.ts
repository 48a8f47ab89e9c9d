// Plays a history: each step at once, without waiting for what it starts.
import { setTimeout as pause } from 'node:timers/promises'
import { newId } from '@lockstep/protocol/ids'
import { isConversation, type HeldConversation } from '@lockstep/protocol/reduce/conversation'
import { isRun } from '@lockstep/protocol/reduce/run'
import type { Conversation } from '@lockstep/protocol/conversations'
import type { FuzzDevice } from './cast.ts'
import type { DeviceStep, Step } from './steps.ts'
import type { FuzzCluster } from './world.ts'

/** Per person: the conversations and runs that any of their devices made, in order. */
interface CreatedIds {
  conversations: string[]
  runs: string[]
}

export async function play(
  steps: readonly Step[],
  handsets: readonly FuzzDevice[],
  world: FuzzCluster,
): Promise<void> {
  const made = new Map<string, CreatedIds>(
    handsets.map(({ person }) => [person.user.id, { conversations: [], runs: [] }]),
  )
  for (const step of steps) {
    if (step.do === 'pause') await pause(step.ms)
    else if (!('device' in step)) await world.inject(step)
    else {
      const handset = handsets[step.device % handsets.length]!
      await playStep(step, handset, made.get(handset.person.user.id)!)
    }
  }
}

async function playStep(step: DeviceStep, handset: FuzzDevice, made: CreatedIds): Promise<void> {
  const { engine, line, person } = handset
  switch (step.do) {
    case 'create': {
      const id = newId()
      made.conversations.push(id)
      const sent = engine.conversations.create({ id, title: step.title })
      return handset.issue('conversations', 'create', id, sent, isConversation)
    }
    case 'prefer': {
      const { key, value } = step
      const sent = engine.preferences.update({ [key]: value })
      return handset.issue(
        'preferences',
        'update',
        'preferences',
        sent,
        ({ preferences }) => (preferences[key] ?? null) === value,
      )
    }
    case 'run': {
      const id = newId()
      made.runs.push(id)
      const sent = engine.agents.run({ id, agent: 'demo', input: demoPrompt(step.rate) })
      return handset.issue('agents', 'run', id, sent, isRun)
    }
    case 'stop-run':
    case 'delete-run': {
      const id = pick(made.runs, step.run)
      if (id === undefined) return
      if (step.do === 'stop-run') return handset.stopRun(id)
      return handset.issue(
        'agents',
        'delete',
        id,
        engine.agents.delete(id),
        (held) => held !== undefined && !isRun(held),
      )
    }
    case 'sign-in':
      return void (await person.signIn().catch(() => undefined)) // its node may be away
    case 'revoke': {
      const other = engine.account.sessions.find(({ id }) => id !== person.session.id)
      if (!other) return
      const isGone = ({ sessions }: { sessions: { id: string }[] }) =>
        !sessions.some(({ id }) => id === other.id)
      return handset.issue('account', 'revoke', 'account', engine.account.revoke(other.id), isGone)
    }
    case 'list':
      return void engine.conversations.loadMore(step.state).catch(() => undefined) // the line may be down
    case 'offline':
      line.up = false
      return
    case 'online':
      line.up = true
      return engine.nudge()
    case 'cut':
      return line.cut()
    case 'slow':
    case 'brisk':
      handset.readingPaused = step.do === 'slow'
      return
    case 'spoil':
      return line.disturb(step.mishaps)
    default:
      return playOnConversation(step, handset, pick(made.conversations, step.conversation))
  }
}

function playOnConversation(
  step: Extract<DeviceStep, { conversation: number }>,
  handset: FuzzDevice,
  id: string | undefined,
): void {
  if (id === undefined) return
  const { conversations } = handset.engine
  const give = (
    sent: ReturnType<typeof conversations.delete>,
    shows: (held: HeldConversation) => boolean,
  ) => handset.issue('conversations', step.do, id, sent, shows)
  const view = conversations.get(id)
  switch (step.do) {
    case 'append': {
      const sent = conversations.append(id, { role: 'user', content: step.text })
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
      // one that streams belongs to its writer: it is left as it is
      const isEdited = has(({ messages }) =>
        messages.some(
          (other) =>
            other.id === message.id &&
            (other.content === step.text || other.status === 'streaming'),
        ),
      )
      return give(conversations.edit(id, message.id, step.text), isEdited)
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
      const asked = conversations.append(id, { role: 'user', content: demoPrompt(step.rate) })
      give(
        asked,
        has(({ messages }) => messages.some((message) => message.id === asked.id)),
      )
      return give(
        conversations.reply(id),
        has(({ messages }) => messages.at(-1)!.status === 'streaming'),
      )
    }
    case 'stop': {
      const reply = view?.messages.findLast(({ status }) => status === 'streaming')
      if (!reply) return
      return handset.stop(id, reply.id)
    }
    case 'open':
      conversations.open(id).catch(() => undefined) // it may be gone, or the line
  }
}

/** What makes the demo agent answer at once, in so many words a second. */
const demoPrompt = (rate: number) => `/demo silent list rate ${rate}`

const has = (shows: (conversation: Conversation) => boolean) => (held: HeldConversation) =>
  isConversation(held) && shows(held)

const pick = (ids: readonly string[], index: number): string | undefined =>
  ids[index % Math.max(ids.length, 1)]
