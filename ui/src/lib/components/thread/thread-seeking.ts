// Finds messages that may be far back in a conversation: loads older messages until they are here.
import type { MessageView } from '@lockstep/client'
import { commands } from '../../stores/conversations.svelte.ts'
import { t } from '../../texts.ts'
import { matchesEveryWord, textMatches } from '../elements/text-matches.ts'
import { notify } from '../overlays/overlays.svelte.ts'
import { loadForPaper } from './load-thread-parts.ts'

/** Where a thread has to go. */
export interface SoughtRow {
  message_id: string
  /** The message appears this far below the top, in CSS pixels. */
  margin: number
  takesFocus: boolean
}

/** Loads older messages until `isReached`, or until nothing is older. */
async function loadUntil(conversation_id: string, isReached: () => boolean): Promise<void> {
  try {
    while (!isReached() && commands.get(conversation_id)?.has_more)
      await commands.loadOlder(conversation_id)
  } catch {
    notify(t('thread.needsConnection'), { kind: 'error' })
  }
}

const loadWhole = (conversation_id: string): Promise<void> =>
  loadUntil(conversation_id, () => false)

/** The whole thread on paper, with the code that its messages need. */
export async function printThread(conversation_id: string): Promise<void> {
  await loadWhole(conversation_id)
  await loadForPaper().catch(() => undefined)
  print()
}

export async function findFirst(conversation_id: string): Promise<SoughtRow | undefined> {
  await loadWhole(conversation_id)
  const message_id = commands.get(conversation_id)?.messages[0]?.id
  return message_id === undefined ? undefined : { message_id, margin: 64, takesFocus: true }
}

/** The newest message that a search has found here. */
export async function findMatch(
  conversation_id: string,
  query: string,
): Promise<SoughtRow | undefined> {
  const isMatch = ({ content }: MessageView) => matchesEveryWord(content, query)
  const found = () => commands.get(conversation_id)?.messages.findLast(isMatch)
  const isInTitle = matchesEveryWord(commands.get(conversation_id)?.title ?? '', query)
  await loadUntil(conversation_id, () => isInTitle || found() !== undefined)
  // The words may be in several messages: then the newest with one of them is shown.
  const hasAny = ({ content }: MessageView) => textMatches(content, query).length > 0
  const message_id = found()?.id ?? commands.get(conversation_id)?.messages.findLast(hasAny)?.id
  return message_id === undefined ? undefined : { message_id, margin: 64, takesFocus: false }
}
