// A large body goes to a file while it comes in: memory stays small however many bytes that are. The file has no name from the moment it is
// open, so that nothing stays behind when the node dies.
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { MAX_IN_MEMORY_BYTES, type ImportBody } from '../commands/import/import-body.ts'

export interface SpooledBody {
  body: ImportBody
  /** Has to be called; nobody reads the body after it. */
  close(): Promise<void>
}

/**
 * Takes in a body of `length` bytes (NaN: nobody has said). Throws `too_large` above `limit` bytes, `invalid` when it ends early,
 * `unavailable` when there is no room for it; nothing is kept then.
 */
export async function spoolBody(
  payload: Readable,
  length: number,
  limit: number,
): Promise<SpooledBody> {
  const tooLarge = () =>
    new Fault('too_large', {
      detail: `The body must have at most ${limit} bytes`,
      limit_bytes: limit,
    })
  if (length > limit) throw tooLarge()
  const chunks: Buffer[] = []
  let file = undefined as FileHandle | undefined
  let size = 0
  let held = 0
  const keep = async () => {
    held = 0
    const into = (file ??= await openNameless())
    await into.appendFile(Buffer.concat(chunks.splice(0)))
  }
  try {
    for await (const chunk of payload.iterator({
      destroyOnReturn: false,
    }) as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > limit) throw tooLarge()
      chunks.push(chunk)
      held += chunk.length
      if (held > MAX_IN_MEMORY_BYTES) await keep()
    }
    if (file) await keep()
    if (!Number.isNaN(length) && size !== length)
      throw new Fault('invalid', {
        status: 400,
        detail: 'The body is not as long as Content-Length says',
      })
  } catch (error) {
    await file?.close()
    throw toRefusal(error)
  }
  if (!file) return { body: Buffer.concat(chunks), close: () => Promise.resolve() }
  const kept = file
  return { body: { fd: kept.fd, size }, close: () => kept.close() }
}

async function openNameless(): Promise<FileHandle> {
  const path = join(tmpdir(), `lockstep-import-${newId()}`)
  const file = await open(path, 'wx+', 0o600)
  await unlink(path).catch(async (error: unknown) => {
    await file.close()
    throw error
  })
  return file
}

function toRefusal(error: unknown): unknown {
  const isFull = ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'ENOENT'].includes(
    (error as NodeJS.ErrnoException).code ?? '',
  )
  return isFull
    ? new Fault('unavailable', { detail: 'This node has no room for large bodies' }, error)
    : error
}
