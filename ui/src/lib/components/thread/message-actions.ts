// The actions on the messages of one thread. Those that take a text resolve with true once the
// server has it.
import type { MessageView } from '@lockstep/client'
import type { Problem } from '@lockstep/protocol/problem'

export interface MessageActions {
  readonly conversation_id: string
  /** The chat is encrypted, so the server writes no replies in it. */
  readonly repliesOff: boolean
  /** Shows the branch that contains this version. */
  showVersion(version_id: string): void
  /** Replaces the text of a message without making a new version. */
  edit(message: MessageView, content: string): Promise<boolean>
  /** Sends a new version of the user's message and requests a reply to it. */
  sendNewVersion(message: MessageView, content: string): Promise<boolean>
  /** Opens the menu of a message at its button. */
  openMenu(message: MessageView, button: HTMLElement): void
  /** Requests a new version of a reply. */
  regenerate(message: MessageView): void
  /** Requests a reply to the newest message. */
  requestReply(): void
  /** Asks the assistant to continue a reply that ended too early. */
  continueReply(): void
  /** Stops a reply that is being written. */
  stop(message: MessageView): void
  /** Sends a refused message again. */
  retry(message: MessageView): void
  /** Discards a message that was not sent. */
  discard(message: MessageView): void
  /** Why the server refused a message. */
  problemOf(message: MessageView): Problem | undefined
}

/** The reply ended early by a fault. Its status offers another attempt. */
export const isBroken = ({ status }: MessageView): boolean =>
  status === 'interrupted' || status === 'failed'
