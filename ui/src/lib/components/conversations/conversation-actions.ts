// The actions that a user can take on a conversation. The list and the thread show the same menu.
// Each action that hides a conversation offers to undo it, except deleting it for ever.
import type { SummaryView } from '@lockstep/client'
import { addressOf } from '../../base-path.ts'
import { navigate, route } from '../../router.svelte.ts'
import { commands, conversations } from '../../stores/conversations.svelte.ts'
import { t } from '../../texts.ts'
import { drafts } from '../../stores/drafts.svelte.ts'
import { notify, type MenuItem } from '../overlays/overlays.svelte.ts'
import { confirmed } from '../overlays/questions.ts'
import { shownTitle } from './shown-title.ts'

const leaveIfOpen = (id: string): void => {
  if (route.path === `/app/c/${id}`) navigate('/app')
}

function moveToTrash(conversation: SummaryView): void {
  leaveIfOpen(conversation.id)
  commands.delete(conversation.id)
  notify(t('chat.movedToTrash'), {
    action: {
      label: t('common.undo'),
      run: () => void commands.restore(conversation.id),
      isPossible: () => conversations.get(conversation.id) !== undefined,
    },
  })
}

function setArchived(conversation: SummaryView, archived: boolean): void {
  commands.archive(conversation.id, archived)
  if (archived) leaveIfOpen(conversation.id)
  const undo = {
    label: t('common.undo'),
    run: () => void commands.archive(conversation.id, !archived),
    isPossible: () => conversations.get(conversation.id)?.deleted_at === null,
  }
  notify(t(archived ? 'chat.archived' : 'chat.unarchived'), { action: undo })
}

export async function purge(conversation: SummaryView): Promise<void> {
  const { message_count: count } = conversation
  const text = t('chat.purgeText', { title: shownTitle(conversation), count })
  if (!(await confirmed(t('chat.purgeTitle'), text, t('common.deleteForever')))) return
  leaveIfOpen(conversation.id)
  commands.purge(conversation.id)
}

/** Forgets the key on this device, once the server has what was typed here. */
async function lock(conversation_id: string): Promise<void> {
  await drafts.save()
  if (drafts.wouldLose) notify(t('encrypted.unsaved'), { kind: 'error' })
  else commands.encrypted?.lock(conversation_id)
}

function saveAsMarkdown({ id, title, encryption }: SummaryView): void {
  if (encryption) return notify(t('encrypted.noMarkdown'))
  const link = document.createElement('a')
  link.href = addressOf(`/conversations/${id}/markdown`)
  link.download = `${title.replace(/[^\p{L}\p{N} _-]+/gu, ' ').trim() || 'conversation'}.md`
  link.click()
}

/** The items of a conversation's menu. `onrename` opens the title's editor. */
export function conversationMenu(conversation: SummaryView, onrename: () => void): MenuItem[] {
  const { id, pinned, archived } = conversation
  if (conversation.deleted_at !== null)
    return [
      { label: t('common.restore'), icon: 'restore', onselect: () => void commands.restore(id) },
      {
        label: t('common.deleteForever'),
        icon: 'trash',
        danger: true,
        onselect: () => void purge(conversation),
      },
    ]
  const rename: MenuItem = { label: t('chat.rename'), icon: 'edit', onselect: onrename }
  const lockHere: MenuItem = {
    label: t('chat.lock'),
    icon: 'lock',
    onselect: () => void lock(id),
  }
  return [
    ...(conversation.locked ? [] : [rename]),
    ...(conversation.encryption && !conversation.locked ? [lockHere] : []),
    {
      label: t(pinned ? 'chat.unpin' : 'chat.pin'),
      icon: 'pin',
      onselect: () => void commands.pin(id, !pinned),
    },
    {
      label: t(archived ? 'chat.unarchive' : 'chat.archive'),
      icon: 'archive',
      onselect: () => setArchived(conversation, !archived),
    },
    {
      label: t('chat.history'),
      icon: 'activity',
      onselect: () => navigate(`/app/c/${id}/history`),
    },
    {
      label: t('chat.saveAsMarkdown'),
      icon: 'export',
      onselect: () => saveAsMarkdown(conversation),
    },
    {
      label: t('common.delete'),
      icon: 'trash',
      danger: true,
      separated: true,
      onselect: () => moveToTrash(conversation),
    },
  ]
}
