// The menu of a message. Whoever deletes a message can undo it: before the server has the deletion,
// it is discarded; afterwards, a rewind brings the message back.
import { commands, conversations } from '../../stores/conversations.svelte.ts'
import { t } from '../../texts.ts'
import { notify, type MenuItem } from '../overlays/overlays.svelte.ts'

export const messageMenu = (
  conversation_id: string,
  message_id: string,
  row: Element | null,
): MenuItem[] => [
  {
    label: t('thread.deleteMessage'),
    icon: 'trash',
    danger: true,
    onselect: () => deleteMessage(conversation_id, message_id, row),
  },
]

function deleteMessage(conversation_id: string, message_id: string, row: Element | null): void {
  const neighbour = row?.nextElementSibling ?? row?.previousElementSibling
  const { mutation_id, outcome } = commands.deleteMessages(conversation_id, [message_id])
  // what had the focus disappears with its message
  if (neighbour instanceof HTMLElement) neighbour.focus({ preventScroll: true })
  const shown = () => conversations.get(conversation_id)
  let version: number | undefined
  void outcome.then((sent) => (version = sent.ok ? sent.version : undefined))

  async function undo(): Promise<void> {
    const waiting = shown()?.outbox.find((item) => item.mutation_id === mutation_id)
    if (waiting && waiting.status !== 'sending') return waiting.discard()
    const sent = await outcome
    if (sent.ok && sent.seq !== undefined) commands.rewind(conversation_id, sent.seq - 1)
  }

  notify(t('thread.messageDeleted'), {
    action: {
      label: t('common.undo'),
      run: () => void undo(),
      // a rewind would take back what others have written since
      isPossible: () => version === undefined || shown()?.version === version,
    },
  })
}
