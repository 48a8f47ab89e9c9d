// The line that a conversation's row shows under the title: the end of its newest message, or what
// is known of a message that has no text.
import type { MessageView, SummaryView } from '@lockstep/client'
import { t, type TextKey } from '../../texts.ts'
import { stripMarkdown } from './strip-markdown.ts'

const maxLength = 160

/** For a newest message without text. */
const statusTexts: Record<MessageView['status'], TextKey> = {
  streaming: 'list.writing',
  complete: 'list.noText',
  stopped: 'list.replyStopped',
  interrupted: 'list.replyInterrupted',
  failed: 'list.replyFailed',
}

/**
 * The preview as plain text. That of an encrypted chat says only whether this device has its key.
 * @param newest the newest message, if this page has the conversation's messages; the preview then
 *   follows a reply that is being written. Without it, nobody knows why a preview is empty, so the
 *   row says how many messages there are.
 */
export function previewText(
  conversation: Pick<SummaryView, 'preview' | 'message_count' | 'encryption' | 'locked'>,
  newest: Pick<MessageView, 'content' | 'status'> | undefined,
): string {
  if (conversation.encryption) return t(conversation.locked ? 'list.locked' : 'list.unlocked')
  if (conversation.message_count === 0) return t('list.noMessages')
  const text =
    newest?.status === 'streaming' ? newest.content.slice(-maxLength) : conversation.preview
  if (stripMarkdown(text) !== '') return stripMarkdown(text)
  return newest
    ? t(statusTexts[newest.status])
    : t('list.messages', { count: conversation.message_count })
}
