// What a user can do with a conversation: the same menu in the list and in the thread. Whatever hides something can be undone.
import type { SummaryView } from '@lockstep/client/views'
import { commands } from '../../stores/conversations.svelte.ts'
import { navigate, route } from '../../router.svelte.ts'
import { ask, confirmed, notify, type MenuItem } from '../overlays/overlays.svelte.ts'

const leaveIfShown = (id: string): void => {
  if (route.path === `/app/c/${id}`) navigate('/app')
}

function trash(conversation: SummaryView): void {
  leaveIfShown(conversation.id)
  commands.delete(conversation.id)
  notify('Moved to the trash', {
    action: { label: 'Undo', run: () => void commands.restore(conversation.id) },
  })
}

function setArchived(conversation: SummaryView, archived: boolean): void {
  commands.archive(conversation.id, archived)
  if (archived) leaveIfShown(conversation.id)
  const undo = { label: 'Undo', run: () => void commands.archive(conversation.id, !archived) }
  notify(archived ? 'Archived' : 'Moved back to the chats', { action: undo })
}

export async function purge(conversation: SummaryView): Promise<void> {
  const text = `“${conversation.title}” and its ${conversation.message_count} messages are removed from all devices. This can't be undone.`
  if (!(await confirmed('Delete for ever?', text, 'Delete for ever'))) return
  leaveIfShown(conversation.id)
  commands.purge(conversation.id)
}

function saveAsMarkdown({ id, title }: SummaryView): void {
  const link = document.createElement('a')
  link.href = `/conversations/${id}/markdown`
  link.download = `${title.replace(/[^\p{L}\p{N} _-]+/gu, ' ').trim() || 'conversation'}.md`
  link.click()
}

/** `onrename`: opens the editor of the title, in place. */
export function conversationMenu(conversation: SummaryView, onrename: () => void): MenuItem[] {
  const { id, pinned, archived } = conversation
  if (conversation.deleted_at !== null)
    return [
      { label: 'Restore', icon: 'restore', onselect: () => void commands.restore(id) },
      {
        label: 'Delete for ever',
        icon: 'trash',
        danger: true,
        onselect: () => void purge(conversation),
      },
    ]
  return [
    { label: 'Rename', icon: 'edit', onselect: onrename },
    {
      label: pinned ? 'Unpin' : 'Pin',
      icon: 'pin',
      onselect: () => void commands.pin(id, !pinned),
    },
    {
      label: archived ? 'Move back to chats' : 'Archive',
      icon: 'archive',
      onselect: () => setArchived(conversation, !archived),
    },
    { label: 'History', icon: 'activity', onselect: () => navigate(`/app/c/${id}/history`) },
    { label: 'Save as Markdown', icon: 'export', onselect: () => saveAsMarkdown(conversation) },
    {
      label: 'Delete',
      icon: 'trash',
      danger: true,
      separated: true,
      onselect: () => trash(conversation),
    },
  ]
}

/**
 * Renames what was called `seen` when the user began to type. When another device has given it a third name meanwhile, the user chooses.
 */
export async function rename(
  conversation: SummaryView,
  seen: string,
  typed: string,
): Promise<void> {
  const title = typed.trim()
  if (title === '' || title === conversation.title) return
  if (conversation.title !== seen) {
    const answer = await ask({
      title: 'Renamed meanwhile',
      text: 'Another device has given this conversation a new name while you were typing.',
      compare: [
        { label: 'Theirs', text: conversation.title },
        { label: 'Yours', text: title },
      ],
      answers: [
        { value: 'theirs', label: 'Keep theirs' },
        { value: 'mine', label: 'Use mine', look: 'primary' },
      ],
    })
    if (answer !== 'mine') return
  }
  commands.rename(conversation.id, title)
}
