// Writes a large body to a temporary file while it arrives, so that memory stays bounded. The file
// is unlinked as soon as it is open, so nothing of it remains if the node dies.
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { MAX_IN_MEMORY_BYTES, type ImportBody } from '../commands/import/import-body.ts'

export interface SpooledBody {
  body: ImportBody
  /** Must be called. The body can't be read afterwards. */
  close(): Promise<void>
}

export interface BodyLimit {
  bytes: number
  /** What is thrown above it. */
  exceeded(): Fault
}

export const sizeLimit = (bytes: number): BodyLimit => ({
  bytes,
  exceeded: () =>
    new Fault('too_large', {
      detail: `The body may have at most ${bytes} bytes`,
      limit_bytes: bytes,
    }),
})

/**
 * Receives a body; a small one stays in memory. Throws above `limit`, `invalid` if the body ends
 * early and `unavailable` if the disk is full. It keeps nothing then.
 * @param length the Content-Length; NaN if there is none
 */
export async function spoolBody(
  payload: Readable,
  length: number,
  limit: BodyLimit,
): Promise<SpooledBody> {
  if (length > limit.bytes) throw limit.exceeded()
  const chunks: Buffer[] = []
  let file: FileHandle | undefined
  let size = 0
  let inMemory = 0
  const flush = async () => {
    inMemory = 0
    file ??= await openUnlinked()
    await file.appendFile(Buffer.concat(chunks.splice(0)))
  }
  try {
    for await (const chunk of payload.iterator({
      destroyOnReturn: false,
    }) as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > limit.bytes) throw limit.exceeded()
      chunks.push(chunk)
      inMemory += chunk.length
      if (inMemory > MAX_IN_MEMORY_BYTES) await flush()
    }
    if (file) await flush()
    if (!Number.isNaN(length) && size !== length)
      throw new Fault('invalid', {
        status: 400,
        detail: 'The body is not as long as Content-Length says',
      })
  } catch (error) {
    await file?.close()
    throw toFaultIfFull(error)
  }
  if (!file) return { body: Buffer.concat(chunks), close: () => Promise.resolve() }
  const spooled = file
  return { body: { fd: spooled.fd, size }, close: () => spooled.close() }
}

async function openUnlinked(): Promise<FileHandle> {
  const path = join(tmpdir(), `lockstep-import-${newId()}`)
  const file = await open(path, 'wx+', 0o600)
  await unlink(path).catch(async (error: unknown) => {
    await file.close()
    throw error
  })
  return file
}

function toFaultIfFull(error: unknown): unknown {
  const isFull = ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'ENOENT'].includes(
    (error as NodeJS.ErrnoException).code ?? '',
  )
  return isFull
    ? new Fault('unavailable', { detail: 'This node has no disk space for large bodies' }, error)
    : error
}
