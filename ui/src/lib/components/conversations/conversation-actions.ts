// The actions that a user can take on a conversation. The list and the thread show the same menu.
// Each action that hides a conversation offers to undo it, except deleting it for ever.
import type { SummaryView } from '@lockstep/client'
import { navigate, route } from '../../router.svelte.ts'
import { commands, conversations } from '../../stores/conversations.svelte.ts'
import { confirmed, notify, type MenuItem } from '../overlays/overlays.svelte.ts'

const leaveIfOpen = (id: string): void => {
  if (route.path === `/app/c/${id}`) navigate('/app')
}

function moveToTrash(conversation: SummaryView): void {
  leaveIfOpen(conversation.id)
  commands.delete(conversation.id)
  notify('Moved to the trash', {
    action: {
      label: 'Undo',
      run: () => void commands.restore(conversation.id),
      isPossible: () => conversations.get(conversation.id) !== undefined,
    },
  })
}

function setArchived(conversation: SummaryView, archived: boolean): void {
  commands.archive(conversation.id, archived)
  if (archived) leaveIfOpen(conversation.id)
  const undo = {
    label: 'Undo',
    run: () => void commands.archive(conversation.id, !archived),
    isPossible: () => conversations.get(conversation.id)?.deleted_at === null,
  }
  notify(archived ? 'Archived' : 'Moved back to the chats', { action: undo })
}

export async function purge(conversation: SummaryView): Promise<void> {
  const text = `“${conversation.title}” and its ${conversation.message_count} messages are removed from all devices. This can't be undone.`
  if (!(await confirmed('Delete for ever?', text, 'Delete for ever'))) return
  leaveIfOpen(conversation.id)
  commands.purge(conversation.id)
}

function saveAsMarkdown({ id, title }: SummaryView): void {
  const link = document.createElement('a')
  link.href = `/conversations/${id}/markdown`
  link.download = `${title.replace(/[^\p{L}\p{N} _-]+/gu, ' ').trim() || 'conversation'}.md`
  link.click()
}

/** The items of a conversation's menu. `onrename` opens the title's editor. */
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
      onselect: () => moveToTrash(conversation),
    },
  ]
}
