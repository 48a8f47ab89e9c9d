// Reads and writes drafts. A draft is no entity of the log: each write is a compare-and-swap on its
// document, and the user's devices are told that it has changed.
import type { Draft, DraftNotice, DraftPosition, DraftWrite } from '@lockstep/protocol/drafts'
import { fitsMessage, isEncryptedText, mustBeEncrypted } from '@lockstep/protocol/encrypted-text'
import { Fault } from '@lockstep/protocol/errors'
import { isId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { applySplice } from '@lockstep/protocol/splice'
import type { Log } from '../log/log.ts'
import { readConversation } from '../store/conversations.ts'
import { byteLength } from '@lockstep/protocol/text'
import { overQuota, storedBytesOf } from '../log/storage-quota.ts'
import type { Database } from '../store/database.ts'
import {
  countDrafts,
  deleteDraft,
  draftBytesOf,
  readDraft,
  readDrafts,
  toDraft,
  writeDraft,
} from '../store/drafts.ts'
import { cursorsOf } from './cursor.ts'

/** How often a write is tried if other writes keep coming first. */
const MAX_ATTEMPTS = 5

export interface DraftCondition {
  /** The version that the draft must have. */
  if_version?: number
  only_if_absent?: boolean
}

export interface DraftUseCases {
  /** Ordered by id. Throws `invalid` for a foreign cursor. */
  list(
    user_id: string,
    query: { limit: number; cursor?: string },
  ): Promise<{ items: Draft[]; next_cursor: string | null }>
  /** Throws `not_found`. */
  get(user_id: string, id: string): Promise<Draft>
  /**
   * Writes the text or a piece of it. Faults: `version_conflict` with `current`, `not_found` if the
   * draft that `if_version` means is gone, `too_large`, and `invalid` for a piece that doesn't fit
   * or a text that an encrypted conversation should have encrypted.
   */
  write(
    user_id: string,
    id: string,
    write: DraftWrite,
    condition?: DraftCondition,
  ): Promise<DraftPosition & { isNew: boolean }>
  /**
   * Adds a draft with the times that it has, unless there is one with its id. A dry run only says
   * whether it would be added. Faults: `invalid` for too many drafts, `too_large`.
   */
  add(
    user_id: string,
    draft: Omit<Draft, 'version'>,
    options: { dry_run: boolean },
  ): Promise<boolean>
  /** Throws `not_found`, or `version_conflict` with `current`. */
  remove(user_id: string, id: string, condition?: Pick<DraftCondition, 'if_version'>): Promise<void>
}

export interface DraftsDeps {
  database: Database
  log: Pick<Log, 'projectToHead'>
  /** The most bytes that a user may store. Absent: any number. */
  quotaBytes?: number
  /** Tells the user's devices. */
  changed(user_id: string, notice: DraftNotice): void
}

export function createDrafts(deps: DraftsDeps): DraftUseCases {
  const { database, log, quotaBytes, changed } = deps

  async function get(user_id: string, id: string): Promise<Draft> {
    const draft = await readDraft(database, user_id, id)
    if (!draft) throw noDraft()
    return draft
  }

  async function checkCount(user_id: string): Promise<void> {
    if ((await countDrafts(database, user_id)) >= limits.draftsPerUser)
      throw new Fault('invalid', {
        detail: 'You have the maximum number of drafts: send or delete some first',
      })
  }

  /** A draft of an encrypted conversation is as secret as its messages. */
  async function checkText(user_id: string, { place, text }: Pick<Draft, 'place' | 'text'>) {
    if (!isId(place) || isEncryptedText(text)) return
    const read = () => readConversation(database, user_id, place.toLowerCase())
    let conversation = await read()
    if (!conversation) {
      // The conversation may be so new that it has no document yet.
      await log.projectToHead(user_id, 'conversations')
      conversation = await read()
    }
    if (conversation && 'encryption' in conversation) throw mustBeEncrypted('text')
  }

  /**
   * What makes a draft smaller is never refused, and a full account still keeps what its person is
   * writing, up to `limits.draftsReserveBytes`.
   */
  async function checkQuota(user_id: string, from: string, to: string): Promise<void> {
    const more = byteLength(to) - byteLength(from)
    if (quotaBytes === undefined || more <= 0) return
    if ((await draftBytesOf(database, user_id)) + more <= limits.draftsReserveBytes) return
    if ((await storedBytesOf(database, user_id)) + more > quotaBytes) throw overQuota(quotaBytes)
  }

  return {
    get,

    async add(user_id, draft, { dry_run }) {
      if (await readDraft(database, user_id, draft.id)) return false
      await checkText(user_id, draft)
      await checkCount(user_id)
      await checkQuota(user_id, '', draft.text)
      if (dry_run) return true
      const isAdded = await writeDraft(database, user_id, undefined, { ...draft, version: 1 })
      if (isAdded) changed(user_id, { draft_id: draft.id, version: 1 })
      return isAdded
    },

    async list(user_id, { limit, cursor }) {
      const cursors = cursorsOf('drafts', user_id)
      const after = cursor === undefined ? undefined : cursors.read(cursor)._id
      const { items, more } = await readDrafts(database, user_id, { after, limit })
      const drafts = items.map(toDraft)
      const last = drafts.at(-1)
      const next_cursor = last && more ? cursors.write({ at: new Date(0), _id: last.id }) : null
      return { items: drafts, next_cursor }
    },

    async write(user_id, id, write, condition = {}) {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const held = await readDraft(database, user_id, id)
        if (held && isAsWritten(held, write) && !condition.only_if_absent)
          return { ...positionOf(held), isNew: false }
        check(held, condition)
        const text = textAfter(held, write)
        await checkText(user_id, { place: write.place, text })
        if (!held) await checkCount(user_id)
        await checkQuota(user_id, held?.text ?? '', text)
        const at = new Date().toISOString()
        const draft: Draft = {
          id,
          place: write.place,
          text,
          created_at: held?.created_at ?? at,
          updated_at: at,
          version: (held?.version ?? 0) + 1,
        }
        if (!(await writeDraft(database, user_id, held, draft))) continue
        changed(user_id, { draft_id: id, version: draft.version })
        return { ...positionOf(draft), isNew: !held }
      }
      throw new Fault('unavailable', {
        detail: 'Too many changes of this draft at once: try again',
        retry_after_ms: 1_000,
      })
    },

    async remove(user_id, id, { if_version } = {}) {
      if (!(await deleteDraft(database, user_id, id, if_version)))
        throw new Fault('version_conflict', { current: await get(user_id, id) })
      changed(user_id, { draft_id: id, version: null })
    },
  }
}

const noDraft = () => new Fault('not_found', { detail: 'There is no such draft' })

/** Whether the request would change nothing; then its condition doesn't count. */
const isAsWritten = (held: Draft, { place, text, offset }: DraftWrite): boolean =>
  offset === undefined && held.text === text && held.place === place

function check(held: Draft | undefined, { if_version, only_if_absent }: DraftCondition): void {
  if (if_version !== undefined && !held) throw noDraft()
  const isOther = if_version !== undefined && held?.version !== if_version
  if (isOther || (only_if_absent && held)) throw new Fault('version_conflict', { current: held })
}

function textAfter(
  held: Draft | undefined,
  { text: written, offset, removed }: DraftWrite,
): string {
  if (offset === undefined || removed === undefined) return written
  const text = applySplice(held?.text ?? '', { offset, removed, text: written })
  if (text === undefined) {
    const message = 'must be a piece of the draft as it is'
    throw new Fault('invalid', {
      detail: `offset ${message}`,
      issues: [{ path: 'offset', message }],
    })
  }
  if (!fitsMessage(text))
    throw new Fault('too_large', {
      detail: 'The draft would become too large',
      limit_bytes: limits.messageBytes,
    })
  return text
}

function positionOf({ text: _text, ...position }: Draft): DraftPosition {
  return position
}
