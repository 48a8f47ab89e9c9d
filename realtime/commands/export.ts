// Everything that a user owns, as one file. It is written in pieces, so that an account of any size
// needs no more memory than one piece. It contains nothing that only means something on this server
// (the owner's id, versions), so that another account that imports it exports the same.
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { branchOf, withoutRemoved, type Link } from '@lockstep/protocol/branch'
import type { Summary } from '@lockstep/protocol/conversations'
import { unreadable } from '@lockstep/protocol/encrypted-text'
import { Fault } from '@lockstep/protocol/errors'
import { exportedLists, type ExportedList } from '@lockstep/protocol/exported-lists'
import type { Message } from '@lockstep/protocol/message'
import { topics } from '@lockstep/protocol/topics'
import { lastPosition } from '@lockstep/protocol/reduce/conversation'
import { isTurnOver } from '../concurrency/turns.ts'
import type { Log } from '../log/log.ts'
import { readAllRuns, toRun } from '../store/agent-runs.ts'
import { readDrafts, toDraft } from '../store/drafts.ts'
import { readAllConversations, toSummary } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import type { LiveConversationDocument, UserDocument } from '../store/documents.ts'
import { readMessagesInRange, readLinks } from '../store/messages.ts'
import { readPreferences } from '../store/preferences.ts'
import { readAllRecords, toRecord } from '../store/records.ts'
import { findUser } from '../store/users.ts'
import { existingConversation } from './live-conversation.ts'
import { toUser } from './account-answers.ts'

/**
 * The first fields of an export. The version rises when a reader of the version before would
 * misread it.
 */
const EXPORT = { format: 'lockstep-export', version: 1 } as const

/** Lists that an export has even if they are empty. */
const inEveryExport: ReadonlySet<ExportedList> = new Set(['conversations', 'agent_runs'])
/** Pieces of JSON. */
type Json = Iterable<string> | AsyncIterable<string>
/** Few, because each may have thousands of values. */
const ENTITIES = 10
/** A run may have half a megabyte. */
const RUNS = 5
const MESSAGES = 100
/** What is written in one turn of the event loop (UTF-16 units), about. */
const TURN_LENGTH = 256 * 1024

export interface ExportUseCases {
  /**
   * JSON: `{format, version, exported_at, user, preferences, conversations: [{…, messages}],
   * agent_runs, records?, drafts?}`, ordered by id, with the archive and the trash. If a
   * conversation changes meanwhile, each message is as before or as after the change, and none
   * occurs twice.
   */
  everything(user_id: string): Promise<Readable>
  /**
   * A live conversation as Markdown: its newest thread. Throws `not_found`, and `invalid` for one
   * that clients have encrypted.
   */
  markdown(user_id: string, id: string): Promise<Readable>
}

export function createExport(database: Database, log: Log): ExportUseCases {
  async function* inPages<T extends { _id: string }>(
    size: number,
    read: (after: string | undefined, size: number) => Promise<T[]>,
  ) {
    for (let after: string | undefined; ;) {
      const page = await read(after, size)
      yield* page
      if (page.length < size) return
      after = page.at(-1)!._id
    }
  }

  async function* messagesOf(user_id: string, summary: Summary) {
    const { id } = summary
    const upTo = lastPosition(summary)
    for (let after = 0; ;) {
      const page = await readMessagesInRange(database, user_id, id, {
        after,
        upTo,
        limit: MESSAGES,
      })
      yield* page
      const last = page.at(-1)
      if (!last || last.position >= upTo) return
      after = last.position
    }
  }

  /** How the messages follow and replace each other once the deleted ones are left out. */
  async function linksOf(user_id: string, id: string): Promise<Map<string, Link>> {
    const { links, removed } = await readLinks(database, user_id, id)
    return new Map(withoutRemoved(links, removed).map((link) => [link.id, link]))
  }

  async function* allDrafts(user_id: string) {
    for (let after: string | undefined; ;) {
      const { items, more } = await readDrafts(database, user_id, { after, limit: ENTITIES })
      const drafts = items.map(toDraft)
      yield* drafts
      if (!more) return
      after = drafts.at(-1)!.id
    }
  }

  async function* conversationJson(user_id: string, document: LiveConversationDocument) {
    const summary = toSummary(document)
    yield `${JSON.stringify(portable(summary)).slice(0, -1)},"messages":[`
    let separator = '\n'
    const links = summary.removed_count ? await linksOf(user_id, summary.id) : undefined
    for await (const { follows, ...message } of messagesOf(user_id, summary)) {
      const link = links?.get(message.id) ?? (follows !== undefined && { follows })
      yield separator + JSON.stringify(portable({ ...message, ...link }))
      separator = ',\n'
    }
    yield ']}'
  }

  /** The items of each list, each as pieces of JSON. */
  const lists: Record<ExportedList, (user_id: string) => AsyncGenerator<Json>> = {
    async *conversations(user_id) {
      for await (const document of inPages(ENTITIES, (after, size) =>
        readAllConversations(database, user_id, after, size),
      ))
        yield conversationJson(user_id, document)
    },
    async *agent_runs(user_id) {
      for await (const document of inPages(RUNS, (after, size) =>
        readAllRuns(database, user_id, after, size),
      ))
        yield [JSON.stringify(portable(toRun(document)))]
    },
    async *records(user_id) {
      for await (const document of inPages(ENTITIES, (after, size) =>
        readAllRecords(database, user_id, after, size),
      ))
        yield [JSON.stringify(portable(toRecord(document)))]
    },
    async *drafts(user_id) {
      for await (const draft of allDrafts(user_id)) yield [JSON.stringify(portable(draft))]
    },
  }

  async function* json(user: UserDocument): AsyncGenerator<string> {
    const user_id = user._id
    const stored = await readPreferences(database, user_id)
    const head = { ...EXPORT, exported_at: new Date().toISOString(), user: toUser(user) }
    yield JSON.stringify({ ...head, preferences: stored?.preferences ?? {} }).slice(0, -1)
    let end = ''
    for (const name of exportedLists) {
      let isEmpty = !inEveryExport.has(name)
      if (!isEmpty) yield `${end},\n"${name}":[`
      let separator = '\n'
      for await (const item of lists[name](user_id)) {
        if (isEmpty) yield `${end},\n"${name}":[`
        isEmpty = false
        yield separator
        yield* item
        separator = ',\n'
      }
      if (!isEmpty) end = ']'
    }
    yield `${end}}\n`
  }

  async function* text(user_id: string, summary: Summary): AsyncGenerator<string> {
    const { links, removed } = await readLinks(database, user_id, summary.id)
    const shown = new Set(branchOf(links, links.at(-1), removed).map(({ id }) => id))
    yield `# ${oneLine(summary.title)}\n\n_${day(summary.created_at)} – ${day(summary.updated_at)}_\n`
    for await (const message of messagesOf(user_id, summary))
      if (shown.has(message.id)) yield section(message)
  }

  return {
    async everything(user_id) {
      for (const topic of topics) await log.projectToHead(user_id, topic)
      const user = await findUser(database, user_id)
      if (!user) throw new Fault('unauthenticated', { detail: 'This account is gone' })
      return Readable.from(inTurns(json(user)))
    },

    async markdown(user_id, id) {
      await log.projectToHead(user_id, 'conversations')
      const document = await existingConversation(database, user_id, id)
      if (document.encryption)
        throw unreadable('export the account, or copy it where it is unlocked')
      return Readable.from(inTurns(text(user_id, toSummary(document))))
    },
  }
}

/** The pieces with turns for others between them, however fast the client reads. */
async function* inTurns(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let length = 0
  for await (const piece of pieces) {
    yield piece
    length += piece.length
    if (length < TURN_LENGTH && !isTurnOver()) continue
    length = 0
    await nextTurn()
  }
}

function portable<T extends { version: number; user_id?: string; removed_count?: number }>(
  entity: T,
): Omit<T, 'version' | 'user_id' | 'removed_count'> {
  const { version: _version, user_id: _user, removed_count: _removed, ...rest } = entity
  return rest
}

const names: Record<Message['role'], string> = {
  user: 'User',
  assistant: 'Assistant',
  system: 'System',
  tool: 'Tool',
}

const section = ({ role, content, status, created_at }: Message): string =>
  `\n## ${names[role]}, ${created_at.slice(0, 16).replace('T', ' ')} UTC\n\n${content}\n` +
  (status === 'complete' ? '' : `\n_(${status})_\n`)

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim()
const day = (time: string): string => time.slice(0, 10)
