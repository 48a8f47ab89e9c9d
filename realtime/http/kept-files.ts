// Keeps the files of this node's build where every node finds them, for a day after the last node
// of the build has ended. A page that was opened before a deployment can then load the rest of its
// code from whichever node it reaches.
import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { brotliDecompress } from 'node:zlib'
import { repeatEvery } from '../concurrency/repeat.ts'
import type { Logger } from '../observability/logger.ts'

/** A stored file; `encoding` says how `content` is compressed. */
interface KeptFile {
  name: string
  content: Buffer
  encoding: 'br' | null
}

export interface KeptFilesDeps {
  /** The folder of the built UI. */
  uiRoot: string
  /** Where the nodes keep the files of all builds. */
  store: {
    /** Returns the names of the files that are not stored. */
    renew(names: readonly string[], expires_at: Date): Promise<string[]>
    insert(files: readonly KeptFile[], expires_at: Date): Promise<void>
    find(name: string): Promise<KeptFile | undefined>
  }
  logger: Logger
  now?: () => number
}

/** A file of another build, as it is sent. */
export interface ServedFile {
  content: Buffer
  encoding: 'br' | null
  mediaType: string
}

export interface KeptFiles {
  /** Stores the files of this node's build, now and then again. Never rejects. */
  start(): Promise<void>
  /** @param acceptsBrotli whether the content may be compressed */
  find(name: string, acceptsBrotli: boolean): Promise<ServedFile | undefined>
  stop(): Promise<void>
}

const HOUR_MS = 3_600_000
/** A day, and the time until the next renewal. */
const KEPT_MS = 26 * HOUR_MS

const mediaTypes: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

const decompress = promisify(brotliDecompress)

export function createKeptFiles({
  uiRoot,
  store,
  logger,
  now = Date.now,
}: KeptFilesDeps): KeptFiles {
  const folder = join(uiRoot, 'assets')
  let stopRenewing: (() => Promise<void>) | undefined

  async function keep(): Promise<void> {
    // without a build there is nothing to keep
    const present = new Set(await readdir(folder).catch(() => []))
    const names = [...present].filter((name) => extname(name) in mediaTypes)
    if (names.length === 0) return
    const expires_at = new Date(now() + KEPT_MS)
    const missing = await store.renew(names, expires_at)
    const read = async (name: string): Promise<KeptFile> => {
      const encoding = present.has(`${name}.br`) ? 'br' : null
      const content = await readFile(join(folder, encoding ? `${name}.br` : name))
      return { name, content, encoding }
    }
    await store.insert(await Promise.all(missing.map(read)), expires_at)
  }

  const failed = (error: unknown) =>
    logger.warn(
      { err: error },
      'the files of the page could not be kept for other nodes; this is tried again in an hour',
    )

  return {
    async start() {
      await keep().catch(failed)
      stopRenewing = repeatEvery(HOUR_MS, keep, { firstAfterMs: HOUR_MS, failed })
    },
    async find(name, acceptsBrotli) {
      const mediaType = mediaTypes[extname(name)]
      const file = mediaType === undefined ? undefined : await store.find(name)
      if (!file || mediaType === undefined) return undefined
      if (file.encoding === null || acceptsBrotli)
        return { content: file.content, encoding: file.encoding, mediaType }
      return { content: await decompress(file.content), encoding: null, mediaType }
    },
    stop: async () => stopRenewing?.(),
  }
}
