import { expect, inject, test } from 'vitest'
import { addressOf, freshDatabase, throughAddress } from '../harness/database.ts'
import { eventually, within } from '../harness/eventually.ts'
import { Follower, storedState } from '../harness/follower.ts'
import { startNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'
import { Wire } from '../harness/wire.ts'

/** The first operation waits at most 7 s. A busy machine gets some more time. */
const ANSWERS_WITHIN_MS = 10_000
/** Commands of one topic, which wait for each other. */
const AT_ONCE = 20

test.each(['cut off', 'mute'])(
  'while its database is %s, a node answers unavailable and keeps its devices; they catch up without a reload',
  async (fault) => {
    await using database = freshDatabase()
    await using wire = await Wire.to(addressOf(inject('mongodbUrl')))
    await using steady = await startNode(database)
    await using lonely = await startNode({ url: throughAddress(database.url, wire.address) })
    const alice = await signUp(steady, 'alice')
    await using follower = await Follower.start(alice.at(lonely), 'conversations')
    const { device } = follower

    if (fault === 'mute') wire.pause('down')
    else wire.cut()
    const command = () => device.command('create', { title: 'Cannot be stored' })
    const [acks, rest, ready] = await within(
      ANSWERS_WITHIN_MS,
      'answers without a database',
      Promise.all([
        Promise.all(Array.from({ length: AT_ONCE }, command)),
        alice.at(lonely).rest('GET', '/conversations'),
        alice.at(lonely).rest('GET', '/readyz'),
      ]),
    )
    for (const ack of acks)
      expect(ack).toMatchObject({ ok: false, error: { code: 'unavailable', status: 503 } })
    expect(rest).toMatchObject({ status: 503, body: { code: 'unavailable' } })
    expect(rest.headers.get('retry-after')).toMatch(/^\d+$/)
    expect(ready.status).toBe(503)
    expect((await alice.at(lonely).rest('GET', '/healthz')).status).toBe(200)
    await alice.ask('createConversation', { body: { title: 'Created on another node' } })

    wire.restore()
    wire.resume('down')
    await eventually(
      async () => (await device.command('create', { title: 'After the fault' })).ok,
      {
        within: 15_000,
      },
    )
    await follower.caughtUp(undefined, 15_000)
    expect(follower.device).toBe(device)
    expect(device.connected).toBe(true)
    expect(follower.requests.loads).toBe(1)
    expect(follower.state).toEqual(await storedState(alice, 'conversations'))
    expect(follower.state.map(({ title }) => title)).toContain('Created on another node')
  },
  40_000,
)
