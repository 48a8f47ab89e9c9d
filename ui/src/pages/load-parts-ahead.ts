// The parts of pages that few visits need. They are loaded ahead, for when the connection is lost
// later.
import { loadConversationActions } from '../lib/components/conversations/load-conversation-parts.ts'
import {
  loadClipboard,
  loadForPaper,
  loadMessageEditor,
  loadThreadMissing,
  loadUnlockForm,
} from '../lib/components/thread/load-thread-parts.ts'

/** Rejects if one of them can't be loaded. */
export const loadPartsAhead = (): Promise<unknown> =>
  Promise.all([
    loadConversationActions(),
    loadThreadMissing(),
    loadClipboard(),
    loadForPaper(),
    loadMessageEditor(),
    loadUnlockForm(),
    import('../lib/components/composer/EncryptDialog.svelte'),
    import('../lib/components/composer/OtherDrafts.svelte'),
    import('@lockstep/client/encryption'),
    import('../lib/components/shell/cut-texts.ts'),
    import('../lib/components/shell/SidebarRail.svelte'),
    import('../lib/components/shell/TabBar.svelte'),
    import('../lib/components/thread/ThreadBanner.svelte'),
    import('../lib/components/thread/ThinkingTime.svelte'),
  ])
