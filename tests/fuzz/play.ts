// Plays a history: each step at once, without waiting for what it starts.
import { setTimeout as pause } from 'node:timers/promises'
import { newId } from '../../protocol/ids.ts'
import type { Sent } from '../../ui/src/lib/sync/views.ts'
import type { Handset } from './cast.ts'
import type { Step } from './steps.ts'
import type { World } from './world.ts'

/** Per person: the conversations that any of their devices made, in order. */
type Made = Map<string, string[]>

export async function play(steps: readonly Step[], handsets: readonly Handset[], world: World): Promise<void> {
  const made: Made = new Map()
  for (const step of steps) {
    if (step.do === 'pause') await pause(step.ms)
    else if ('device' in step) await act(step, handsets[step.device]!, made)
    else await shake(step, world)
  }
}

async function shake(step: Step, world: World): Promise<void> {
  if (step.do === 'kill-node') await world.killNode()
  else if (step.do === 'restart-node') await world.restartNode()
  else if (step.do === 'kill-database') await world.killDatabase()
  else if (step.do === 'kill-redis') await world.redis.kill()
  else if (step.do === 'restart-redis') await world.redis.restart()
  else if (step.do === 'drop-redis-connections') world.redis.drop()
  else if (step.do === 'freeze-redis') world.redis.freeze(step.ms)
  else world.dropDatabaseConnections()
}

async function act(step: Step & { device: number }, handset: Handset, made: Made): Promise<void> {
  const { engine, line, person } = handset
  const { conversations } = engine
  const own = made.get(person.user.id) ?? []
  made.set(person.user.id, own)
  const note = (conversation: string, sent: Sent) =>
    handset.given.push({ command: step.do, id: sent.id, conversation, sent })
  const id = 'conversation' in step ? own[step.conversation % Math.max(own.length, 1)] : undefined

  switch (step.do) {
    case 'create': {
      const id = newId()
      own.push(id)
      note(id, conversations.create({ id, title: step.title }))
      return
    }
    case 'prefer':
      note(person.user.id, engine.preferences.update({ [step.key]: step.value }))
      return
    case 'offline':
      line.up = false
      return
    case 'online':
      line.up = true
      engine.nudge()
      return
    case 'cut':
      line.cut()
      return
    case 'slow':
    case 'brisk':
      handset.slow = step.do === 'slow'
      return
    case 'spoil':
      line.spoil(step.mishaps)
      return
    default:
      if (id !== undefined) command(step, id, handset, note)
  }
}

function command(step: Step, id: string, { engine }: Handset, note: (id: string, sent: Sent) => void): void {
  const { conversations } = engine
  switch (step.do) {
    case 'append':
      return note(id, conversations.append(id, { role: 'user', content: step.text }))
    case 'rename':
      return note(id, conversations.rename(id, step.text))
    case 'edit': {
      const messages = conversations.get(id)?.messages ?? []
      const message = messages[step.message % Math.max(messages.length, 1)]
      if (message) note(id, conversations.edit(id, message.id, step.text))
      return
    }
    case 'pin':
      return note(id, conversations.pin(id, !conversations.get(id)?.pinned))
    case 'archive':
      return note(id, conversations.archive(id, !conversations.get(id)?.archived))
    case 'delete':
    case 'restore':
    case 'purge':
      return note(id, conversations[step.do](id))
    case 'open':
      conversations.open(id).catch(() => undefined) // it may be gone, or the line
      return
    default:
      throw new Error(`${step.do} is no command`)
  }
}
