// `npm run conformance -- <folder> [--url <mongodb url>]` runs the tests of the unified test format
// in a folder (and below) against the embedded database, or against the server of a URL. It prints
// one line for each test and ends with code 1 if one failed. A test is skipped if it is for other
// versions or if the runner doesn't know one of its operations. It is refused if the engine says
// that it doesn't do this.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { BSON, MongoClient, MongoServerError, type ClientSession, type Document } from 'mongodb'
import { startEmbedded } from '@lockstep/embedded-mongo'
import { difference, isObject } from './matching.ts'
import { runOperation, UnknownOperation } from './operations.ts'

type Verdict = 'passed' | 'failed' | 'refused' | 'skipped'

interface Entity {
  readonly kind: string
  readonly value: unknown
}

const refusals = new Set([59, 115, 168, 238, 263, 15952, 40324])

/** The longest time that one test may take, in milliseconds. */
const TEST_MS = 20_000

class TestRun {
  readonly #entities = new Map<string, Entity>()
  readonly #failPoints = new Set<string>()
  readonly #url: string
  readonly #admin: MongoClient

  constructor(url: string, admin: MongoClient) {
    this.#url = url
    this.#admin = admin
  }

  async #create(kind: string, spec: Document): Promise<void> {
    const [of, id] = [this.#entities, spec.id as string]
    const valueOf = <T>(name: unknown): T => of.get(name as string)!.value as T
    switch (kind) {
      case 'client': {
        const uriOptions = (spec.uriOptions ?? {}) as Document
        const client = new MongoClient(this.#url, { ...uriOptions, serverSelectionTimeoutMS: 5000 })
        of.set(id, { kind, value: await client.connect() })
        return
      }
      case 'database': {
        const db = valueOf<MongoClient>(spec.client).db(
          spec.databaseName as string,
          spec.databaseOptions as Document,
        )
        of.set(id, { kind, value: db })
        return
      }
      case 'collection': {
        const db = valueOf<ReturnType<MongoClient['db']>>(spec.database)
        const value = db.collection(
          spec.collectionName as string,
          (spec.collectionOptions ?? {}) as Document,
        )
        of.set(id, { kind, value })
        return
      }
      case 'session':
        of.set(id, {
          kind,
          value: valueOf<MongoClient>(spec.client).startSession(spec.sessionOptions as Document),
        })
        return
      default:
        throw new UnknownOperation(kind)
    }
  }

  async run(file: Document, test: Document): Promise<void> {
    for (const data of (file.initialData ?? []) as Document[]) {
      const db = this.#admin.db(data.databaseName as string)
      await db
        .collection(data.collectionName as string)
        .drop()
        .catch(() => undefined)
      await db.createCollection(data.collectionName as string)
      const documents = data.documents as Document[]
      if (documents.length > 0)
        await db.collection(data.collectionName as string).insertMany(documents)
    }
    for (const entity of (file.createEntities ?? []) as Document[])
      for (const [kind, spec] of Object.entries(entity)) await this.#create(kind, spec as Document)
    for (const operation of test.operations as Document[]) await this.#operate(operation)
    for (const data of (test.outcome ?? []) as Document[]) {
      const collection = this.#admin
        .db(data.databaseName as string)
        .collection(data.collectionName as string)
      const found = await collection.find().sort({ _id: 1 }).toArray()
      check(difference(found, data.documents, new Map(), 'outcome'))
    }
  }

  async #operate(operation: Document): Promise<void> {
    const { object, name, expectError, expectResult, saveResultAsEntity } = operation
    if (object === 'testRunner')
      return this.#runnerOperation(name as string, (operation.arguments ?? {}) as Document)
    const target = this.#entities.get(object as string)
    if (!target) throw new UnknownOperation(`the object ${String(object)}`)
    const given = (operation.arguments ?? {}) as Document
    const args =
      typeof given.session === 'string'
        ? { ...given, session: this.#entities.get(given.session)!.value as ClientSession }
        : given
    const bulk = Array.isArray(args.requests) ? { ...args, requests: args.requests } : args
    let result: unknown
    try {
      result = await runOperation(target.kind, target.value, name as string, bulk)
    } catch (error) {
      if (error instanceof UnknownOperation || !expectError) throw error
      checkError(error as Document, expectError as Document)
      return
    }
    if (expectError) throw new Error(`${String(name)} should have failed`)
    if (saveResultAsEntity !== undefined)
      this.#entities.set(saveResultAsEntity as string, {
        kind: name === 'createChangeStream' ? 'stream' : 'value',
        value: result,
      })
    if (expectResult !== undefined && !operation.ignoreResultAndError) {
      const values = new Map([...this.#entities].map(([id, { value }]) => [id, value]))
      check(difference(result, expectResult, values, name as string))
    }
  }

  async #runnerOperation(name: string, args: Document): Promise<void> {
    if (name !== 'failPoint') throw new UnknownOperation(`testRunner.${name}`)
    const failPoint = args.failPoint as Document
    this.#failPoints.add(failPoint.configureFailPoint as string)
    await this.#admin.db('admin').command(failPoint)
  }

  async close(): Promise<void> {
    const admin = this.#admin.db('admin')
    for (const name of this.#failPoints)
      await admin.command({ configureFailPoint: name, mode: 'off' })
    for (const { kind, value } of this.#entities.values())
      if (kind === 'client') await (value as MongoClient).close()
  }
}

function check(found: string | undefined): void {
  if (found !== undefined) throw new Error(found)
}

function checkError(error: Document, expected: Document): void {
  if (expected.isClientError === true && error instanceof MongoServerError)
    throw new Error(`a server error instead of a client error: ${String(error.message)}`)
  if (expected.errorCode !== undefined && error.code !== expected.errorCode)
    throw new Error(`code ${String(error.code)} instead of ${String(expected.errorCode)}`)
  if (
    typeof expected.errorContains === 'string' &&
    !String(error.message).toLowerCase().includes(expected.errorContains.toLowerCase())
  )
    throw new Error(`the message is ${String(error.message)}`)
}

/** Whether the server is one of those that a test is for. */
function isFor(requirements: unknown, version: string): boolean {
  if (!Array.isArray(requirements)) return true
  const number = (text: string): number =>
    text
      .split('.')
      .slice(0, 2)
      .reduce((sum, part) => sum * 1000 + Number(part), 0)
  return (requirements as Document[]).some(
    ({ minServerVersion: min, maxServerVersion: max, topologies, auth, csfle, serverless }) =>
      (min === undefined || number(min as string) <= number(version)) &&
      (max === undefined || number(max as string) >= number(version)) &&
      (topologies === undefined || (topologies as string[]).includes('replicaset')) &&
      auth !== true &&
      csfle === undefined &&
      serverless !== 'require',
  )
}

async function verdictOf(
  url: string,
  admin: MongoClient,
  version: string,
  file: Document,
  test: Document,
): Promise<[Verdict, string]> {
  if (typeof test.skipReason === 'string') return ['skipped', test.skipReason]
  if (!isFor(file.runOnRequirements, version) || !isFor(test.runOnRequirements, version))
    return ['skipped', 'for other servers']
  const run = new TestRun(url, admin)
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`takes more than ${TEST_MS} ms`)), TEST_MS)
  try {
    await Promise.race([run.run(file, test), late])
    return ['passed', '']
  } catch (error) {
    const { message } = error as Error
    if (error instanceof UnknownOperation) return ['skipped', `the runner doesn't know ${message}`]
    const code = (error as { code?: number }).code
    const isRefused = refusals.has(code ?? 0) || /not supported/.test(message)
    return [isRefused ? 'refused' : 'failed', message]
  } finally {
    clearTimeout(timer)
    await run.close()
  }
}

async function main(): Promise<boolean> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { url: { type: 'string' } },
  })
  const [folder] = positionals
  if (folder === undefined)
    throw new Error('Usage: npm run conformance -- <folder> [--url <mongodb url>]')
  const dataDir = await mkdtemp(join(tmpdir(), 'conformance-'))
  const embedded =
    values.url === undefined ? await startEmbedded({ dataDir, testCommands: true }) : undefined
  const url = values.url ?? embedded!.url
  const admin = await new MongoClient(url).connect()
  const { version } = (await admin.db('admin').command({ buildInfo: 1 })) as { version: string }
  const counts: Record<Verdict, number> = { passed: 0, failed: 0, refused: 0, skipped: 0 }
  const names = (await readdir(folder, { recursive: true }))
    .filter((name) => name.endsWith('.json'))
    .sort()
  for (const name of names) {
    const file: unknown = BSON.EJSON.parse(await readFile(join(folder, name), 'utf8'))
    if (!isObject(file) || !Array.isArray(file.tests) || file.schemaVersion === undefined) continue
    for (const test of file.tests as Document[]) {
      const [verdict, why] = await verdictOf(url, admin, version, file, test)
      counts[verdict]++
      process.stdout.write(
        `${verdict} ${relative(folder, join(folder, name))}: ${String(test.description)}${why && ` (${why.slice(0, 200)})`}\n`,
      )
    }
  }
  process.stdout.write(`${JSON.stringify({ version, ...counts })}\n`)
  await admin.close()
  await embedded?.stop()
  await rm(dataDir, { recursive: true, force: true })
  return counts.failed === 0
}

main().then(
  (isRight) => process.exit(isRight ? 0 : 1),
  (error: Error) => {
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  },
)
