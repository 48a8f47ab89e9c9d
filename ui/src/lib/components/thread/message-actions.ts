// What can be done with the messages of one thread.
import type { MessageView } from '@lockstep/client/views'

export interface ThreadDeeds {
  /** Shows another version of a message. */
  pick(version_id: string): void
  /** Changes the text of a message where it stands. */
  correct(message: MessageView, content: string): void
  /** Another version of what the user said, and a reply to that. */
  resend(message: MessageView, content: string): void
  /** Another version of a reply. */
  regenerate(message: MessageView): void
  /** A reply to what is there. */
  answer(): void
  /** Lets an assistant that was cut short go on. */
  goOn(): void
  stop(message: MessageView): void
  /** Sends again what the server refused. */
  retry(message: MessageView): void
  /** Gives up what was not sent. */
  discard(message: MessageView): void
  /** Why the newest command for a message failed or waits, in words. */
  reason(message: MessageView): string | undefined
}
