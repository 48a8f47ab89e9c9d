// What a UI framework watches is the same object until something has changed that a person sees.
import { expect, test } from 'vitest'
import { observeList } from '@lockstep/client/observe'
import { newId } from '@lockstep/protocol/ids'
import { SimulatedUser } from './simulated-user.ts'

test('a list of conversations stays the same while a reply is written, and has its version at the end', async () => {
  await using user = new SimulatedUser()
  const { engine } = await user.device()
  const ids = ['One', 'Two'].map((title) => engine.conversations.create({ title }).id)
  await user.quiet()
  const [id, other] = ids as [string, string]
  const [message_id, run_id, at] = [newId(), newId(), new Date(user.time.now()).toISOString()]
  const change = async (op: string, data: Record<string, unknown>) => {
    const version = user.server.conversations.get(id)!.version + 1
    user.server.append('conversations', { op, entity_id: id, version, data })
    const shown = () => engine.conversations.list('active').items.find((item) => item.id === id)!
    await user.time.until(() => shown().version === version)
  }
  const list = observeList(engine, 'active')
  const itemOf = (id: string) => list.get().items.find((item) => item.id === id)
  const times = { created_at: at, updated_at: at }
  const reply = { id: message_id, role: 'assistant', content: '', position: 1, version: 1 }
  await change('updated', {
    messages: [{ ...reply, ...times, status: 'streaming', replaces: null, metadata: {} }],
    ...{ message_count: 1, preview: '', updated_at: at },
  })

  const before = list.get()
  for (let offset = 0; offset < 5; offset++)
    await change('extended', { message_id, run_id, offset, text: 'x' })
  expect(list.get()).toBe(before)

  const kept = itemOf(other)
  const end = { status: 'complete', length: 5, metadata: {}, preview: 'xxxxx', updated_at: at }
  await change('finished', { message_id, run_id, ...end })
  expect(list.get()).not.toBe(before)
  const { version } = user.server.conversations.get(id)!
  expect(itemOf(id)).toMatchObject({ preview: 'xxxxx', version })
  expect(itemOf(other)).toBe(kept)

  await change('updated', { pinned: true, message_count: 1, preview: 'xxxxx', updated_at: at })
  expect(itemOf(id)).toMatchObject({ pinned: true, version: version + 1 })
})
