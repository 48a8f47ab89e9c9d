// What the engine loads when it is needed may be missing: the device is offline, or the server that
// delivers the page has a newer build. Nothing is lost then, the rest works, and the next need
// tries again.
import { expect, test } from 'vitest'
import type { Call } from '@lockstep/client'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { DraftsClient } from '../../clients/typescript/src/drafts-client.ts'
import { Lifetime } from '../../clients/typescript/src/lifetime.ts'
import type * as restCall from '../../clients/typescript/src/rest/call.ts'
import { missingCode } from './missing-code.ts'
import { SimulatedUser } from './simulated-user.ts'
import { VirtualTime } from './virtual-time.ts'

test('without the code for runs, chats work, a run that is started waits, and both are made up for', async () => {
  await using user = new SimulatedUser()
  using code = missingCode('/runs')
  const { engine } = await user.device({ live: false })
  await user.time.until(() => engine.conversations.loaded)
  engine.conversations.create({ title: 'A chat' })
  await user.time.until(() => engine.conversations.settled)
  const run = engine.agents.run({ agent: 'demo', input: 'task' })
  await user.time.pass(60_000)
  expect(code.asked).toBeGreaterThan(3)
  expect(engine.agents).toMatchObject({ loaded: false, settled: false, agents: [] })
  expect(engine.agents.runs).toMatchObject({ items: [], loaded: false })
  expect(engine.outbox).toMatchObject([{ command: 'run', status: 'queued', entity_id: run.id }])
  code[Symbol.dispose]()
  await user.time.until(() => engine.connection === 'live')
  expect(engine.agents.get(run.id)).toMatchObject({ input: 'task', status: 'queued' })
})

test('without the code for HTTP in place of WebSockets, a device is offline, and looks for it with each attempt', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  using code = missingCode('/http-fallback')
  device.wire.blockSockets()
  device.engine.conversations.create({ title: 'queued' })
  await user.time.until(() => code.asked > 2)
  expect(device.engine.unsent).toBe(1)
  expect(device.engine.connection).not.toBe('polling')
  code[Symbol.dispose]()
  await user.time.until(() => device.engine.connection === 'polling', 60_000)
  await user.time.until(() => device.engine.unsent === 0, 10_000)
})

test('without the code for streamed text, a reply shows what the log has of it', async () => {
  await using user = new SimulatedUser()
  using code = missingCode('/streamed-messages')
  const { engine } = await user.device()
  const { id } = engine.conversations.create({ messages: [{ role: 'user', content: 'Hello' }] })
  await user.quiet()
  void engine.conversations.open(id)
  await user.quiet()
  const [message_id, run_id, at] = [newId(), newId(), new Date(user.time.now()).toISOString()]
  const change = (op: string, data: Record<string, unknown>) => {
    const { version } = user.server.conversations.get(id)!
    user.server.append('conversations', { op, entity_id: id, version: version + 1, data })
  }
  const reply = { id: message_id, role: 'assistant', content: '', position: 2, version: 1 }
  const times = { created_at: at, updated_at: at }
  change('updated', {
    messages: [{ ...reply, ...times, status: 'streaming', replaces: null, metadata: {} }],
    ...{ message_count: 2, preview: '', updated_at: at },
  })
  const piece = { message_id, run_id, offset: 0, text: 'Good' }
  user.server.emit('conversations', 'delta', { entity_id: id, ...piece })
  await user.time.pass(1_000)
  const shown = () => engine.conversations.get(id)!.messages.at(-1)!.content
  expect([shown(), code.asked]).toEqual(['', 1])
  change('extended', piece)
  await user.time.until(() => shown() === 'Good')
})

test('without the code for older messages or for a route, the caller is told, and may try again', async () => {
  await using user = new SimulatedUser()
  const { engine } = await user.device()
  const messages = Array.from({ length: 9 }, () => ({ role: 'user' as const, content: 'x' }))
  const { id } = engine.conversations.create({ messages })
  await user.quiet()
  const other = await user.device()
  void other.engine.conversations.open(id)
  await user.quiet()
  using code = missingCode('/older-messages')
  const refused = await other.engine.conversations.loadOlder(id).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(Fault)
  expect(refused).toMatchObject({ code: 'unavailable' })
  code[Symbol.dispose]()
  void other.engine.conversations.loadOlder(id)
  await user.time.until(() => other.engine.conversations.get(id)!.messages.length > 3)

  using routes = missingCode('/later-paths')
  // a module of its own: this one may have the table already
  const fresh = '../../clients/typescript/src/rest/call.ts?without-routes'
  const { createCall } = (await import(fresh)) as typeof restCall
  const answer = () => Promise.resolve(Response.json({ items: [] }))
  const call = createCall({ origin: 'http://fake', fetch: answer, userId: () => undefined })
  expect(await call('listSessions')).toEqual({ items: [] })
  const asked = await call('getUsage').catch((error: unknown) => error)
  expect([asked, routes.asked]).toEqual([expect.objectContaining({ code: 'unavailable' }), 1])
  routes[Symbol.dispose]()
  expect(await call('getUsage')).toEqual({ items: [] })
})

test('code that a loader keeps as failed comes from another address at the next need', async () => {
  using routes = missingCode('/later-paths')
  const fresh = '../../clients/typescript/src/rest/call.ts?kept-failure'
  const { createCall } = (await import(fresh)) as typeof restCall
  const answer = () => Promise.resolve(Response.json({ items: [] }))
  const call = createCall({ origin: 'http://fake', fetch: answer, userId: () => undefined })
  await expect(call('getUsage')).rejects.toMatchObject({ code: 'unavailable' })
  routes.keepFailing()
  expect(await call('getUsage')).toEqual({ items: [] })
})

test('without the code for drafts, a write is refused and not lost, and the drafts are read once it is there', async () => {
  const time = new VirtualTime()
  const lifetime = new Lifetime(time, () => 0.5, time.now)
  const draft = { id: newId(), place: 'new', text: 'Dear', version: 1, updated_at: '' }
  // Assertion: the drafts ask for nothing else here.
  const call = (() => Promise.resolve({ items: [draft], next_cursor: null })) as unknown as Call
  const drafts = new DraftsClient(call)
  using code = missingCode('/drafts')
  drafts.subscribe(() => undefined)
  const early = await drafts.write(draft).catch((error: unknown) => error)
  drafts.begin(lifetime)
  drafts.live()
  const refused = await drafts.write(draft).catch((error: unknown) => error)
  for (const fault of [early, refused]) expect(fault).toMatchObject({ code: 'unavailable' })
  await time.until(() => code.asked > 3)
  expect(drafts).toMatchObject({ loaded: false, items: [] })
  code[Symbol.dispose]()
  await time.until(() => drafts.loaded)
  expect(drafts.items).toEqual([draft])
  lifetime.end()
})
