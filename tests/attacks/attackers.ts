// The attackers: people who pretend to be the owner, and values that should cause harm.
import { createSessionCookie } from '../../realtime/auth/session-cookie.ts'
import { createSeals } from '../../realtime/auth/seals.ts'
import type { Database } from '../../realtime/store/database.ts'
import type { Person } from '../harness/person.ts'

export const SEALED_WITH = 'what the nodes of these tests seal cookies with'

/** The credentials with which an impostor pretends to be the owner. */
export interface Disguise {
  cookie?: string
  /** The user whose state the client claims to hold. */
  user_id?: string
}
export interface Scene {
  alice: Person
  bob: Person
  database: Database
}

const header = (cookie: string) => cookie.split(';')[0]!
const sealedBy = async (secret: string, { session }: Person) =>
  header(await createSessionCookie([secret]).issue(session.id, false))
const sealedFor = async ({ session }: Person, seconds: number) => ({
  cookie: `lockstep_session=${await createSeals([SEALED_WITH]).seal({ session_id: session.id, sealed_at: Date.now() }, seconds)}`,
})

/** Each of them is `unauthenticated`, whatever the request. */
export const impostors: Record<string, (scene: Scene) => Promise<Disguise>> = {
  'who has no cookie': async () => ({}),
  'who has a cookie of junk': async () => ({ cookie: 'lockstep_session=junk' }),
  'who touched a cookie of hers': async ({ alice: { cookie } }) => {
    const middle = Math.floor(cookie.length / 2)
    return {
      cookie:
        cookie.slice(0, middle) + (cookie[middle] === 'A' ? 'B' : 'A') + cookie.slice(middle + 1),
    }
  },
  'who forged a cookie with another secret': async ({ alice }) => ({
    cookie: await sealedBy('a secret that these nodes have never seen', alice),
  }),
  'whose cookie is too old': ({ alice }) => sealedFor(alice, -3_600),
  'whose session is over': async ({ alice, database }) => {
    const { cookie, session } = await alice.signIn()
    await database.sessions.updateOne(
      { _id: session.id },
      { $set: { expires_at: new Date(Date.now() - 1) } },
    )
    return { cookie }
  },
  'who signed out and kept the cookie': async ({ alice }) => {
    const tablet = await alice.signIn()
    await tablet.ask('logout')
    return { cookie: tablet.cookie }
  },
  'whose session she has revoked': async ({ alice }) => {
    const { cookie, session } = await alice.signIn()
    await alice.ask('revokeSession', { params: { id: session.id } })
    return { cookie }
  },
  'who has another user’s cookie and her state': async ({ alice, bob }) => ({
    cookie: bob.cookie,
    user_id: alice.user.id,
  }),
  'who has her cookie and another user’s state': async ({ alice, bob }) => ({
    cookie: alice.cookie,
    user_id: bob.user.id,
  }),
}

/**
 * Valid cookies that are made in the same way as those above. They prove that the impostors are
 * refused only because of their age or their secret.
 */
export const wellMade = async ({ alice }: Pick<Scene, 'alice'>): Promise<Disguise[]> => [
  { cookie: await sealedBy(SEALED_WITH, alice) },
  await sealedFor(alice, 3_600),
]

/** Values that a database or a prototype might interpret, or that might exhaust the stack. */
export const injections: readonly unknown[] = [
  { $gt: '' },
  { 'a.b': 1 },
  JSON.parse('{"__proto__": {"admin": true}}'),
  { _bsontype: 'ObjectId' },
  JSON.parse('['.repeat(150) + ']'.repeat(150)),
]
export const LONG = 'x'.repeat(300_000)

/**
 * Yields variants of `value`: each has `put` in the place of one leaf, or its fields added to one
 * of the objects. `path` says where.
 */
export function* altered(
  value: unknown,
  put: unknown,
  path: string[] = [],
): Generator<{ path: string[]; value: unknown }> {
  if (typeof value !== 'object' || value === null) return yield { path, value: put }
  for (const [key, inner] of Object.entries(value))
    for (const variant of altered(inner, put, [...path, key])) {
      const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...value }) as Record<
        string,
        unknown
      >
      copy[key] = variant.value
      yield { ...variant, value: copy }
    }
  if (!Array.isArray(value) && typeof put === 'object')
    yield { path, value: { ...value, ...(put as object) } }
}

/**
 * Variants of `value` in which every injection occurs at least once and every place is injected at
 * least once. All combinations would show nothing more.
 */
export function injected(value: unknown): { path: string[]; value: unknown }[] {
  const variants = injections.map((put) => [...altered(value, put)])
  const places = variants[0]!.length
  return Array.from(
    { length: Math.max(places, injections.length) },
    (_, turn) => variants[turn % injections.length]![turn % places]!,
  )
}

/**
 * Everything that belongs to a user: the account, its sessions, passkeys and drafts, and the log,
 * except for entries that the server itself added. Documents follow the log and are left out. So is
 * the content of entries, because a purge removes it at its own pace; tests/store/driver.test.ts
 * shows that nothing else removes it.
 */
export async function truthOf(
  { changes, users, sessions, drafts, passkeys, tokens }: Database,
  user_id: string,
): Promise<unknown> {
  const [ofEntry, ofAccount, ofSession] = [
    { data: 0, before: 0, stripped: 0 },
    { username: 1, password_hash: 1, second_step: 1, version: 1, closing: 1 },
    { user_id: 1, device: 1, confirmed_at: 1 },
  ]
  return Promise.all([
    changes.find({ user_id, 'actor.session_id': { $ne: null } }, { projection: ofEntry }).toArray(),
    users.findOne({ _id: user_id }, { projection: ofAccount }),
    sessions
      .find({ user_id, expires_at: { $gt: new Date() } }, { projection: ofSession })
      .toArray(),
    drafts.find({ user_id }).toArray(),
    passkeys.find({ user_id }).toArray(),
    tokens.find({ user_id }, { projection: { name: 1, scopes: 1 } }).toArray(),
  ])
}
