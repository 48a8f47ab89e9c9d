// The answers to commands on conversations. HTTP answers with the conversation and its newest
// messages, sockets with the summary: both come from the state that the log has decided on, without
// another read.
import type { Conversation, Summary } from '@lockstep/protocol/conversations'
import { summaryOf } from '@lockstep/protocol/decide/conversations'
import { limits } from '@lockstep/protocol/limits'
import type { Message } from '@lockstep/protocol/message'
import type { Produced } from '@lockstep/protocol/produce'
import { isConversation } from '@lockstep/protocol/reduce/conversation'
import type { ReplyIds } from '@lockstep/protocol/reply-ids'
import { isTurnOver, shareTurn } from '../concurrency/turns.ts'
import type { Appended } from '../log/append.ts'
import { jsonBytes } from '../store/json-bytes.ts'
import { outcomeOf, type Outcome } from './outcome.ts'

/** A conversation with a window of its messages, and the head from which a client continues. */
export type ConversationAtHead = Conversation & { epoch: string; seq: number }

/** What HTTP asks for besides the command itself. */
export interface AnswerOptions {
  /** How many of the newest messages the answer has besides the summary; default 0. */
  newest?: number
  /**
   * The version that a message must have if the command deletes it; otherwise `version_conflict`.
   */
  message_version?: number
}

/** `data` is null after a purge. */
export interface ConversationOutcome extends Outcome<Summary | null> {
  /**
   * The conversation with its newest messages, if they were asked for, the command changed it and
   * none of its messages is deleted.
   */
  conversation?: ConversationAtHead
  /** Of the command `reply`: what it started. undefined after a purge. Of `produce`: its reply. */
  reply?: ReplyIds | Produced
}

export async function conversationOutcome(
  appended: Appended<'conversations'>,
  { newest = 0 }: AnswerOptions = {},
): Promise<ConversationOutcome> {
  const { held } = appended.state
  if (!isConversation(held)) return outcomeOf(appended, null)
  const summary = summaryOf(held)
  const outcome = outcomeOf(appended, summary)
  // deleted messages leave gaps, which only the documents tell from messages that aren't held
  if (newest === 0 || !outcome.changed || held.removed_count) return outcome
  const { epoch, seq } = appended
  const messages = await newestPage(held.messages, newest)
  const has_more = (messages[0]?.position ?? 1) > 1
  return { ...outcome, conversation: { ...summary, messages, has_more, epoch, seq } }
}

/**
 * The newest messages without a gap, at most `limit` and about 4 MB, but at least one. `messages`
 * are in order of position; the command may have needed older ones that don't belong to the page.
 */
async function newestPage(messages: readonly Message[], limit: number): Promise<Message[]> {
  const page: Message[] = []
  let bytes = 0
  for (const message of messages.toReversed()) {
    const [next] = page
    if (next && (page.length === limit || message.position !== next.position - 1)) break
    if (isTurnOver()) await shareTurn()
    bytes += jsonBytes(message)
    if (next && bytes > limits.answerBytes) break
    page.unshift(message)
  }
  return page
}
