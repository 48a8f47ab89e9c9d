// `lockstep erased`: proves that words are nowhere any more, or says where they still are. It looks
// into everything that Lockstep keeps, and prints each place, so that the proof says what it
// covers.
import { join } from 'node:path'
import type { Config } from './config/config.ts'
import { countWords, type Findings, type WantedWord } from './operator/erased/wanted-words.ts'
import { filesIn, searchFile } from './operator/erased/search-files.ts'
import type { OperatorTerminal } from './operator/run-command.ts'
import { openKeys } from './sealing.ts'
import { openDatabase } from './store/database.ts'
import { readEverything, stringFieldOf } from './store/everything.ts'

interface SearchedPlace {
  place: string
  /** What was looked at, such as `12 documents`. */
  searched: string
  findings: Findings
  /** Ids in the entries that a closed account leaves so that nothing can follow them. */
  kept?: Findings
}

/**
 * Returns true if every place could be searched and none has any of the words. The embedded
 * database must not be in use.
 */
export async function runErased(
  { dataDir, mongodbUrl, redisUrls = [], keysDir }: Config,
  words: readonly WantedWord[],
  terminal: OperatorTerminal,
): Promise<boolean> {
  let [places, found, failed] = [0, 0, 0]
  const print = async ({ place, searched, findings, kept = new Map() }: SearchedPlace) => {
    places++
    if (findings.size > 0) found++
    const line = {
      ...{ place, searched },
      ...(findings.size > 0 && { found_lines: Object.fromEntries(findings) }),
      ...(kept.size > 0 && { closed_accounts: Object.fromEntries(kept) }),
    }
    await terminal.print(JSON.stringify(line))
  }
  const attempt = async (place: string, search: () => Promise<void>) => {
    try {
      await search()
    } catch (error) {
      failed++
      await terminal.print(JSON.stringify({ place, problem: (error as Error).message }))
    }
  }

  const dbDir = join(dataDir, 'db')
  const inTables: Findings = new Map()
  if (mongodbUrl === undefined)
    await attempt(dbDir, () => searchTables(dbDir, words, { print, kept: inTables }))
  else
    await attempt('MongoDB', () =>
      searchMongodb({ url: mongodbUrl, keysDir }, words, { print, attempt }),
    )
  for (const path of filesIn(dataDir))
    await attempt(path, async () => {
      const { bytes, findings } = searchFile(path, words)
      const isDatabase = path === join(dbDir, 'data.sqlite')
      await print({
        ...{ place: path, searched: `${bytes} bytes` },
        ...(isDatabase ? withoutKept(findings, inTables) : { findings }),
      })
    })
  for (const [i, url] of redisUrls.entries()) {
    const name = redisUrls.length === 1 ? 'Redis' : `Redis ${i + 1}`
    await searchRedis({ name, url }, words, { print, attempt })
  }
  const result = found === 0 ? 'none has any of the words' : `${found} have some of the words`
  const problem = failed === 0 ? '' : `. ${failed} places could not be searched`
  terminal.tell(`${places} places were searched: ${result}${problem}`)
  return found === 0 && failed === 0
}

type Print = (searched: SearchedPlace) => Promise<void>
type Attempt = (place: string, search: () => Promise<void>) => Promise<void>

/** What the deletion of an account leaves: the entries that nothing may follow, and their heads. */
const isLeftByAccount = (collection: string | undefined, op: () => string | undefined): boolean =>
  collection === 'heads' || (collection === 'changes' && op() === 'closed')

async function searchTables(
  dataDir: string,
  words: readonly WantedWord[],
  { print, kept: inAll }: { print: Print; kept: Findings },
): Promise<void> {
  const { openTables, stringField } = await import('@lockstep/embedded-mongo/search')
  const { tables, close } = openTables(dataDir)
  try {
    const keptRows = new Set<string>()
    for (const { name, collection, cells } of tables) {
      const [findings, kept]: [Findings, Findings] = [new Map(), new Map()]
      let count = 0
      for (const { row, bytes } of cells()) {
        count++
        const found: Findings = new Map()
        countWords(found, words, bytes)
        if (found.size === 0) continue
        const isDocument = name.startsWith('collection ')
        const document = `${collection} ${row}`
        if (isDocument && isLeftByAccount(collection, () => stringField(bytes, 'op')))
          keptRows.add(document)
        add(found, keptRows.has(document) ? kept : findings, findings, words)
      }
      addAll(kept, inAll)
      await print({ place: `${dataDir}: ${name}`, searched: `${count} cells`, findings, kept })
    }
  } finally {
    close()
  }
}

async function searchMongodb(
  { url, keysDir }: { url: string; keysDir: string | undefined },
  words: readonly WantedWord[],
  { print, attempt }: { print: Print; attempt: Attempt },
): Promise<void> {
  const database = await openDatabase(url, openKeys({ keysDir }))
  try {
    for (const { name, documents } of await readEverything(database))
      await attempt(`MongoDB: ${name}`, async () => {
        const [findings, kept]: [Findings, Findings] = [new Map(), new Map()]
        let count = 0
        for await (const bytes of documents()) {
          count++
          const found: Findings = new Map()
          countWords(found, words, bytes)
          if (found.size === 0) continue
          const isLeft = isLeftByAccount(name, () => stringFieldOf(bytes, 'op'))
          add(found, isLeft ? kept : findings, findings, words)
        }
        await print({ place: `MongoDB: ${name}`, searched: `${count} documents`, findings, kept })
      })
  } finally {
    await database.close()
  }
}

async function searchRedis(
  redis: { name: string; url: string },
  words: readonly WantedWord[],
  { print, attempt }: { print: Print; attempt: Attempt },
): Promise<void> {
  const { readRedis } = await import('./redis/everything.ts')
  const { parts, stop } = readRedis(redis.url)
  try {
    for (const { name, read } of parts) {
      const place = `${redis.name}: ${name}`
      await attempt(place, async () => {
        const findings: Findings = new Map()
        let count = 0
        for await (const bytes of read()) {
          count++
          countWords(findings, words, bytes)
        }
        await print({ place, searched: `${count} values`, findings })
      })
    }
  } finally {
    stop()
  }
}

/** Adds findings: those of ids to `ofIds`, those of other words to `ofWords`. */
function add(
  found: Findings,
  ofIds: Findings,
  ofWords: Findings,
  words: readonly WantedWord[],
): void {
  for (const { line, isId } of words) addAll(pick(found, line), isId ? ofIds : ofWords)
}

const pick = (found: Findings, line: number): Findings =>
  new Map([...found].filter(([each]) => each === line))

function addAll(found: Findings, to: Findings): void {
  for (const [line, count] of found) to.set(line, (to.get(line) ?? 0) + count)
}

/** A file has what its tables keep, and nothing more if what was deleted is erased. */
function withoutKept(found: Findings, inTables: Findings) {
  const [findings, kept]: [Findings, Findings] = [new Map(), new Map()]
  for (const [line, count] of found) {
    const known = Math.min(count, inTables.get(line) ?? 0)
    if (known > 0) kept.set(line, known)
    if (count > known) findings.set(line, count - known)
  }
  return { findings, kept }
}
