import { expect, inject, test } from 'vitest'
import { addressOf, freshDatabase, throughAddress } from '../harness/database.ts'
import { eventually, within } from '../harness/eventually.ts'
import { Follower, storedState } from '../harness/follower.ts'
import { startNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'
import { Wire } from '../harness/wire.ts'

/** One operation waits at most 7 s, the first time; a busy machine gets some more. */
const QUICKLY = 10_000
/** Commands that wait for each other, as they are of one topic. */
const AT_ONCE = 20

test.each(['cut off', 'mute'])(
  'while its database is %s a node answers unavailable, keeps its devices, and brings them what they missed without a reload',
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
    const command = () => device.command('create', { title: 'Nowhere to put it' })
    const [acks, rest, ready] = await within(
      QUICKLY,
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
    await alice.ask('createConversation', { body: { title: 'Meanwhile, elsewhere' } })

    wire.restore()
    wire.resume('down')
    await eventually(async () => (await device.command('create', { title: 'Back again' })).ok, {
      within: 15_000,
    })
    await follower.caughtUp(undefined, 15_000)
    expect(follower.device).toBe(device)
    expect(device.connected).toBe(true)
    expect(follower.requests.loads).toBe(1)
    expect(follower.state).toEqual(await storedState(alice, 'conversations'))
    expect(follower.state.map(({ title }) => title)).toContain('Meanwhile, elsewhere')
  },
  40_000,
)
