// The overlays above the page: at most one menu, one question and the command palette, and some
// notices. Components only set this state; MenuHost.svelte and OverlayHost.svelte draw it. A list
// of hundreds of rows therefore has no menu in each row.
import type { IconName } from '../elements/late-icons.ts'
import { t } from '../../texts.ts'

export interface MenuItem {
  label: string
  icon?: IconName
  danger?: boolean
  /** Set for an item of a group of which exactly one is checked. */
  checked?: boolean
  /** True for an item with a separator before it. */
  separated?: boolean
  onselect: () => void
}

export interface Question<Answer extends string = string> {
  title: string
  text: string
  /** Ordered from the safest to the most drastic; the first has the focus. */
  answers: { value: Answer; label: string; emphasis?: 'primary' | 'danger' }[]
  /** Texts to compare, shown side by side above the answers. */
  compare?: { label: string; text: string }[]
}

export interface Notice {
  id: number
  text: string
  kind: 'info' | 'error'
  action?: NoticeAction
}

export interface NoticeAction {
  label: string
  run: () => void
  /** Reactive. As soon as the action isn't possible any more, the notice goes away. */
  isPossible?: () => boolean
}

/** Where a menu opens: at a control, or at a point of the viewport in CSS pixels. */
export type MenuAnchor = HTMLElement | { x: number; y: number }

interface OpenMenu {
  label: string
  anchor: MenuAnchor
  items: MenuItem[]
}
interface OpenQuestion {
  question: Question
  answer: (value: string | undefined) => void
}

class Overlays {
  menu = $state.raw<OpenMenu>()
  question = $state.raw<OpenQuestion>()
  isPaletteOpen = $state(false)
  notices = $state.raw<readonly Notice[]>([])

  /** Whether something lies over the page that has the keyboard. */
  get isOpen(): boolean {
    return this.menu !== undefined || this.question !== undefined || this.isPaletteOpen
  }
}
export const overlays = new Overlays()

/** Opens a menu; `label` is its accessible name. */
export function openMenu(label: string, anchor: MenuAnchor, items: MenuItem[]): void {
  overlays.menu = { label, anchor, items }
}

/** Opens a menu as soon as its items are loaded. */
export async function openLoadedMenu(
  label: string,
  anchor: MenuAnchor,
  load: () => Promise<MenuItem[]>,
): Promise<void> {
  try {
    openMenu(label, anchor, await load())
  } catch {
    notify(t('chat.menuMissing'), { kind: 'error' })
  }
}

let lastNotice = 0

/** Shows a notice for some seconds. At most 3 are visible. */
export function notify(
  text: string,
  { kind = 'info', action }: Partial<Pick<Notice, 'kind' | 'action'>> = {},
): void {
  overlays.notices = [...overlays.notices.slice(-2), { id: ++lastNotice, text, kind, action }]
}

/** Removes a notice. */
export function dismiss(id: number): void {
  overlays.notices = overlays.notices.filter((notice) => notice.id !== id)
}
