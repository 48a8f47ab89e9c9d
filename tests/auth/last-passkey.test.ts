// Two-step verification needs an app or a passkey, and one can be turned on while the other is
// removed. Both run here in every order in which their operations can reach the database.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { Fault } from '@lockstep/protocol/errors'
import { createSecurity, type SecurityDeps } from '../../realtime/commands/security.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import type { PasskeyDocument, UserDocument } from '../../realtime/store/documents.ts'
import { insertPasskey } from '../../realtime/store/passkeys.ts'
import { freshDatabase } from '../harness/database.ts'

const fresh = freshDatabase()
let database: Database
beforeAll(async () => void (database = await openDatabase(fresh.url)))
afterAll(async () => {
  await database.close()
  await fresh[Symbol.asyncDispose]()
})

/** The database for one side: each operation waits for the side's turn. */
function takingTurns(turn: () => Promise<void>): Database {
  const gated = <Collection extends object>(collection: Collection): Collection =>
    new Proxy(collection, {
      get(target, name) {
        const method: unknown = Reflect.get(target, name)
        if (typeof method !== 'function') return method
        const call = (...given: unknown[]): unknown => Reflect.apply(method, target, given)
        if (name === 'find' || name === 'sort')
          return (...given: unknown[]) => gated(call(...given) as object)
        return async (...given: unknown[]) => {
          await turn()
          return call(...given)
        }
      },
    })
  return { ...database, users: gated(database.users), passkeys: gated(database.passkeys) }
}

const nothing = () => Promise.resolve(undefined)
const securityOn = (gated: Database) =>
  createSecurity({
    database: gated,
    recentSignIn: { need: nothing },
    securityChanges: { first: nothing, tell: nothing, tellMeanwhile: nothing },
    hasOtherWay: () => true,
  } as unknown as SecurityDeps)

/** Runs two sides; bit n of `order` says whose the n-th operation is. */
async function inOrder(
  order: number,
  sides: ((gated: Database) => Promise<unknown>)[],
): Promise<void> {
  let taken = 0
  const waiting: ((() => void) | undefined)[] = []
  const running = sides.map(() => true)
  const next = () => {
    const wanted = (order >> taken) & 1
    const side = running[wanted] ? wanted : 1 - wanted
    // it is still between two operations
    if (!waiting[side]) return
    taken++
    const go = waiting[side]
    waiting[side] = undefined
    go()
  }
  const turnOf = (side: number) => () =>
    new Promise<void>((resolve) => {
      waiting[side] = resolve
      next()
    })
  await Promise.all(
    sides.map(async (run, side) => {
      const end = await run(takingTurns(turnOf(side))).catch((error: unknown) => error)
      if (end instanceof Error && !(end instanceof Fault)) throw end
      running[side] = false
      next()
    }),
  )
}

/** How many operations each side has at most. */
const REMOVAL = 5
const TURNING_ON = 4

test('the last passkey isn’t removed while the second step is turned on, in whichever order', async () => {
  const user_id = newId()
  const user = { _id: user_id, username: user_id, password_hash: 'x', version: 1 }
  await database.users.insertOne({ ...user, created_at: new Date() } as UserDocument)
  const context = { user_id, session_id: newId(), device: '', mutation_id: newId() }
  const ends = new Set<string>()
  for (let order = 0; order < 2 ** (REMOVAL + TURNING_ON); order++) {
    if (order.toString(2).replaceAll('0', '').length !== TURNING_ON) continue
    const unset = { second_step: '', leaving_passkeys: '' } as const
    await database.users.updateOne({ _id: user_id }, { $unset: unset })
    await database.passkeys.deleteMany({ user_id })
    const id = newId()
    const passkey = { user_id, credential_id: id, name: '', created_at: new Date() }
    await insertPasskey(database, id, { ...passkey, last_used_at: null } as unknown as Omit<
      PasskeyDocument,
      '_id'
    >)
    await inOrder(order, [
      (gated) => securityOn(gated).removePasskey(context, id),
      (gated) => securityOn(gated).turnOn(context, undefined),
    ])
    const { second_step } = (await database.users.findOne({ _id: user_id }))!
    const left = await database.passkeys.countDocuments({ user_id })
    const end = `${second_step ? 'on' : 'off'} ${left}`
    expect(end, `order ${order.toString(2)}`).not.toBe('on 0')
    ends.add(end)
  }
  // either side can win
  expect([...ends].sort()).toEqual(expect.arrayContaining(['off 0', 'on 1']))
}, 30_000)
