// What stands above a reply whose model was thinking.
import type { MessageView } from '@lockstep/client'
import { durationText } from '../../dates.svelte.ts'
import { t } from '../../texts.ts'

export const thoughtsOf = ({ metadata: { thinking } }: MessageView): string =>
  typeof thinking === 'string' ? thinking : ''

/** '' if the model wasn't thinking. */
export function thinkingText(message: MessageView): string {
  const { thinking_ms } = message.metadata
  // Thoughts that arrived all at once have no meaningful duration.
  if (typeof thinking_ms === 'number' && thinking_ms >= 100)
    return t('thread.thoughtFor', { duration: durationText(thinking_ms) })
  return thoughtsOf(message) && t('thread.thoughts')
}
