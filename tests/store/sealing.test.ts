// Sealed content at the boundary to the database: what was sealed opens in its place and nowhere
// else, keys are made once and destroyed for ever, and no operation goes past the sealing.
import { createSecretKey, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { Binary, type Document } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { deleteDraft, readDraft, writeDraft } from '../../realtime/store/drafts.ts'
import { DataKeys } from '../../realtime/store/sealing/data-keys.ts'
import { fromPlain, isSealed, open, seal, toPlain } from '../../realtime/store/sealing/envelope.ts'
import { OpenedValues } from '../../realtime/store/sealing/opened-values.ts'
import { sealExisting } from '../../realtime/store/sealing/seal-existing.ts'
import { findSealedText } from '../../realtime/store/sealing/find-sealed-text.ts'
import { TimeBudget, TimeOver } from '../../realtime/store/time-budget.ts'
import { temporaryDirectory } from '../embedded/database.ts'
import { freshDatabase } from '../harness/database.ts'

const stack = new AsyncDisposableStack()
let database: Database
let folder: string
let url: string
beforeAll(async () => {
  folder = join(stack.use(await temporaryDirectory()).path, 'keys')
  ;({ url } = stack.use(freshDatabase()))
  database = stack.adopt(await openDatabase(url, new DataKeys(folder)), (opened) => opened.close())
})
afterAll(() => stack.disposeAsync())

const draft = (text: string, version = 1) => {
  const at = new Date(0).toISOString()
  return { id: randomUUID(), place: 'new', text, created_at: at, updated_at: at, version }
}
const filesOf = (user_id: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.includes(user_id),
  )

describe('A sealed value', () => {
  const place = { collection: 'messages', id: 'user:conversation:message', field: 'content' }

  test('opens as what it was, whatever it was, and looks different each time', () => {
    const key = createSecretKey(Buffer.alloc(32, 1))
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const sealed = seal(key, place, toPlain(value))
        expect(isSealed(sealed)).toBe(true)
        expect(fromPlain(open(key, place, sealed))).toEqual(value)
        expect(seal(key, place, toPlain(value)).value()).not.toEqual(sealed.value())
      }),
      { numRuns: 200 },
    )
  })

  test('opens with no other key, in no other place, and not if any byte was changed', () => {
    const key = createSecretKey(Buffer.alloc(32, 1))
    const sealed = seal(key, place, 'a text')
    const elsewhere = [
      { ...place, collection: 'drafts' },
      { ...place, id: 'user:conversation:other' },
      { ...place, id: 'other:conversation:message' },
      { ...place, field: 'metadata' },
    ]
    for (const other of elsewhere) expect(() => open(key, other, sealed)).toThrow()
    expect(() => open(createSecretKey(Buffer.alloc(32, 2)), place, sealed)).toThrow()
    for (let at = 0; at < sealed.length(); at++) {
      const bytes = Buffer.from(sealed.value())
      bytes[at]! ^= 1
      const changed = new Binary(bytes, Binary.SUBTYPE_USER_DEFINED)
      expect(() => open(key, place, changed), `byte ${at}`).toThrow()
    }
    for (const length of [0, 1, 13, sealed.length() - 1]) {
      const cut = new Binary(sealed.value().subarray(0, length), Binary.SUBTYPE_USER_DEFINED)
      expect(() => open(key, place, cut), `${length} bytes`).toThrow()
    }
  })

  test('that somebody moves to another document in the database is not shown there', async () => {
    const [alice, bob] = [randomUUID(), randomUUID()]
    const [hers, his] = [draft('hers'), draft('his')]
    await writeDraft(database, alice, undefined, hers)
    await writeDraft(database, bob, undefined, his)
    const raw = database.db.collection<Document & { _id: string }>('drafts')
    const { text } = (await raw.findOne({ _id: `${alice}:${hers.id}` }))!
    expect(isSealed(text)).toBe(true)
    await raw.updateOne({ _id: `${bob}:${his.id}` }, { $set: { text: text as Binary } })
    await expect(readDraft(database, bob, his.id)).rejects.toThrow(/authenticate/)
    expect(await readDraft(database, alice, hers.id)).toEqual(hers)
    await deleteDraft(database, bob, his.id)
  })
})

describe('What was opened lately', () => {
  const place = (user: string, n = 0) => ({
    collection: 'records',
    id: `${user}:${n}`,
    field: 'data',
  })

  test('opens again without the key, as what it was, in its place and unchanged only', () => {
    const key = createSecretKey(Buffer.alloc(32, 1))
    const user = randomUUID()
    const opened = new OpenedValues()
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (value, other) => {
        const [sealed, next] = [value, other].map((each) => seal(key, place(user), toPlain(each)))
        opened.keep(place(user), sealed!, toPlain(value))
        for (let time = 0; time < 2; time++) {
          const again = fromPlain(opened.find(place(user), sealed!)!)
          expect(again).toEqual(value)
          // whoever gets it may change it
          if (typeof again === 'object' && again !== null) Object.assign(again, { changed: true })
        }
        expect(opened.find(place(user), next!)).toBeUndefined()
        for (const elsewhere of [
          place(user, 1),
          place(randomUUID()),
          { ...place(user), field: 'a' },
        ])
          expect(opened.find(elsewhere, sealed!)).toBeUndefined()
      }),
    )
  })

  test('is bounded, keeps what is used, and goes with the user’s key', async () => {
    const key = createSecretKey(Buffer.alloc(32, 1))
    const [often, other] = [randomUUID(), randomUUID()]
    const opened = new OpenedValues()
    const sealedOf = (user: string, n = 0) => seal(key, place(user, n), 'a text')
    const [its, others] = [
      sealedOf(often),
      Array.from({ length: 6_000 }, (_, n) => sealedOf(other, n)),
    ]
    const isOftenKept = () => opened.find(place(often), its) !== undefined
    const isKept = (n: number) => opened.find(place(other, n), others[n]!) !== undefined
    opened.keep(place(often), its, 'a text')
    for (const [n, sealed] of others.entries()) {
      opened.keep(place(other, n), sealed, 'x'.repeat(4_000))
      expect(isOftenKept()).toBe(true)
    }
    const kept = others.map((_, n) => n).filter(isKept)
    expect(kept.length).toBeLessThan(4_000)
    expect(kept).toContain(5_999)
    const long = sealedOf(other)
    opened.keep(place(other), long, 'x'.repeat(4_097))
    expect(opened.find(place(other), long)).toBeUndefined()
    opened.forget(other)
    expect([isKept(5_999), isOftenKept()]).toEqual([false, true])

    const user = randomUUID()
    const written = draft('a text')
    await writeDraft(database, user, undefined, written)
    const { keys } = database.sealing!
    const text = { collection: 'drafts', id: `${user}:${written.id}`, field: 'text' }
    const raw = await database.db.collection('drafts').findOne({ user_id: user })
    expect(keys.opened.find(text, raw!.text as Binary)).toBe('a text')
    keys.destroy(user)
    expect(keys.opened.find(text, raw!.text as Binary)).toBeUndefined()
  })
})

describe('A user’s key', () => {
  test('is the same for nodes that make it at once, and is this user’s alone', () => {
    const ids = Array.from({ length: 5 }, () => randomUUID())
    const nodes = Array.from({ length: 4 }, () => new DataKeys(folder))
    for (const id of ids) {
      const made = nodes.map((keys) => keys.findOrMake(id)!.export().toString('hex'))
      expect(new Set(made).size).toBe(1)
      expect(new DataKeys(folder).find(id)).toMatchObject({ is: 'key' })
      expect(filesOf(id)).toHaveLength(1)
      const path = join(folder, filesOf(id)[0]!)
      expect(statSync(path).mode & 0o777).toBe(0o600)
      expect(readFileSync(path, 'utf8')).toBe(made[0])
    }
    const all = ids.map((id) => nodes[0]!.findOrMake(id)!.export().toString('hex'))
    expect(new Set(all).size).toBe(ids.length)
    expect(() => nodes[0]!.findOrMake('../../name')).toThrow()
  })

  test('that was destroyed never comes back: what it sealed is empty, what follows is lost', async () => {
    const user = randomUUID()
    const before = draft('before')
    await writeDraft(database, user, undefined, before)
    const copy = readFileSync(join(folder, filesOf(user)[0]!), 'utf8')
    const other = new DataKeys(folder)
    other.destroy(user)
    other.destroy(user)
    expect(filesOf(user)).toEqual([expect.stringMatching(/\.destroyed$/)])
    expect(other.destroyedUsers()).toContain(user)
    expect(other.findOrMake(user)).toBeUndefined()
    expect(readFileSync(join(folder, filesOf(user)[0]!), 'utf8')).not.toContain(copy)
    database.sealing!.keys.destroy(user)
    expect(await readDraft(database, user, before.id)).toEqual({ ...before, text: '' })
    const after = draft('after')
    await writeDraft(database, user, undefined, after)
    expect(await readDraft(database, user, after.id)).toEqual({ ...after, text: '' })
  })

  test('that is missing or damaged is named, and is not replaced by another', async () => {
    const [missing, damaged] = [randomUUID(), randomUUID()]
    const texts = new Map([missing, damaged].map((user) => [user, draft('a text')]))
    for (const [user, written] of texts) await writeDraft(database, user, undefined, written)
    rmSync(join(folder, filesOf(missing)[0]!))
    writeFileSync(join(folder, filesOf(damaged)[0]!), 'cut')
    const later = await openDatabase(url, new DataKeys(folder))
    await expect(readDraft(later, missing, texts.get(missing)!.id)).rejects.toThrow(/KEYS_DIR/)
    await expect(readDraft(later, damaged, texts.get(damaged)!.id)).rejects.toThrow(/damaged/)
    const entry = {
      _id: `${missing}:account:000000000001`,
      data: seal(createSecretKey(Buffer.alloc(32)), placeOf(missing), toPlain(1)),
    }
    // the feed goes on for everybody else
    expect(later.sealing!.openEntry(entry as never)).toEqual({ _id: entry._id, stripped: true })
    await later.close()
  })
})

const placeOf = (user_id: string) => ({
  collection: 'changes',
  id: `${user_id}:account:000000000001`,
  field: 'data',
})

test('an operation that would write content as it is, or look into it, fails', async () => {
  const { messages, users } = database
  expect(() => messages.aggregate([])).toThrow(/isn't sealed/)
  expect(() => messages.replaceOne({}, {} as never)).toThrow(/isn't sealed/)
  expect(() => users.findOneAndUpdate({}, { $set: { preferences: {} } })).toThrow(/isn't sealed/)
  expect(() => messages.updateMany({}, { $set: { content: 'a' } })).toThrow(/isn't sealed/)
  expect(() => messages.find({ content: { $regex: 'a' } })).toThrow(/can't be compared/)
  expect(() => messages.find({ $or: [{ 'metadata.a': 1 }] })).toThrow(/can't be compared/)
  await expect(messages.findOne({ content: 'a' })).rejects.toThrow(/can't be compared/)
})

test('a text is found in any piece of it, with turns for others, within the time for it', async () => {
  async function* texts() {
    for (let n = 0; n < 300; n++)
      yield await Promise.resolve({
        n,
        text: `${'x'.repeat(n * 600)}${n % 100 === 7 ? 'needle' : ''}`,
      })
  }
  type Item = { n: number; text: string }
  const search = async (time: TimeBudget) => {
    const found: number[] = []
    for await (const { n } of findSealedText(texts(), ({ text }: Item) => text, 'n(?=eedle)', time))
      found.push(n)
    return found
  }
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  expect(await search(new TimeBudget(30_000))).toEqual([7, 107, 207])
  clearInterval(timer)
  expect(turns).toBeGreaterThan(0)
  await expect(search(new TimeBudget(1))).rejects.toThrow(TimeOver)
})

test('what exists is sealed once, in any number of nodes at once, while it changes', async () => {
  await using fresh = freshDatabase()
  const plain = await openDatabase(fresh.url)
  const users = Array.from({ length: 3 }, () => randomUUID())
  const drafts = users.flatMap((user) =>
    Array.from({ length: 60 }, (_, n) => ({ user, draft: draft(`text ${n}`) })),
  )
  await plain.drafts.insertMany(
    drafts.map(({ user, draft: { id, created_at, updated_at, ...rest } }) => ({
      ...{ _id: `${user}:${id}`, user_id: user, ...rest },
      ...{ created_at: new Date(created_at), updated_at: new Date(updated_at) },
    })),
  )
  const nodes = await Promise.all(
    Array.from({ length: 2 }, () => openDatabase(fresh.url, new DataKeys(folder))),
  )
  const [one, two] = nodes as [Database, Database]
  const never = new AbortController().signal
  const edit = async () => {
    for (const { user, draft: held } of drafts.filter((_, n) => n % 7 === 0))
      await writeDraft(one, user, held, { ...held, text: `${held.text} edited`, version: 2 })
  }
  await Promise.all([sealExisting(one, never), sealExisting(two, never), edit()])
  const raw = await plain.db.collection('drafts').find().toArray()
  expect(raw.filter(({ text }) => !isSealed(text))).toEqual([])
  for (const [n, { user, draft: held }] of drafts.entries())
    expect(await readDraft(two, user, held.id)).toMatchObject(
      n % 7 === 0 ? { text: `${held.text} edited`, version: 2 } : { text: held.text, version: 1 },
    )
  await Promise.all([plain, ...nodes].map((each) => each.close()))
  await expect(openDatabase(fresh.url)).rejects.toThrow(/KEYS_DIR/)
})
