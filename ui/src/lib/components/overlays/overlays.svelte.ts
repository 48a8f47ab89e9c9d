// What lies above the page: one menu, one question, the palette, some notices. One host draws them (Overlays.svelte), so that a list of
// hundreds of rows carries no menus, and the weight of the accessible primitives is loaded after the page stands.
import type { IconName } from '../elements/icons.ts'

export interface MenuItem {
  label: string
  icon?: IconName
  danger?: boolean
  /** One of a set of which one holds. */
  checked?: boolean
  /** A line before it. */
  separated?: boolean
  onselect: () => void
}

export interface Question<Answer extends string = string> {
  title: string
  text: string
  /** From the safest to the boldest; the first has the focus. */
  answers: { value: Answer; label: string; look?: 'primary' | 'danger' }[]
  /** Shown side by side above the answers. */
  compare?: { label: string; text: string }[]
}

export interface Notice {
  id: number
  text: string
  kind: 'info' | 'error'
  action?: { label: string; run: () => void }
}

/** Where a menu hangs: at a control, or at a point of the window. */
export type Anchor = HTMLElement | { x: number; y: number }

interface OpenMenu {
  label: string
  anchor: Anchor
  items: MenuItem[]
}
interface OpenQuestion {
  question: Question
  answer: (value: string | undefined) => void
}

class Overlays {
  menu = $state.raw<OpenMenu>()
  question = $state.raw<OpenQuestion>()
  palette = $state(false)
  notices = $state.raw<readonly Notice[]>([])
}
export const overlays = new Overlays()

export function openMenu(label: string, anchor: Anchor, items: MenuItem[]): void {
  overlays.menu = { label, anchor, items }
}

let lastAnswer: Promise<unknown> = Promise.resolve()

/** Asks, after what was asked before; resolves with the answer's value, or undefined when the question was left. */
export function ask<Answer extends string>(
  question: Question<Answer>,
): Promise<Answer | undefined> {
  const answered = lastAnswer.then(() => put(question))
  lastAnswer = answered
  return answered
}

function put<Answer extends string>(question: Question<Answer>): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    overlays.question = {
      question,
      answer: (value) => {
        overlays.question = undefined
        resolve(value as Answer | undefined)
      },
    }
  })
}

/** True when the user confirms. */
export async function confirmed(title: string, text: string, label: string): Promise<boolean> {
  const answers = [
    { value: 'no', label: 'Cancel' },
    { value: 'yes', label, look: 'danger' as const },
  ]
  return (await ask({ title, text, answers })) === 'yes'
}

let lastNotice = 0

/** Shows a short message for some seconds. */
export function notify(
  text: string,
  { kind = 'info', action }: Partial<Pick<Notice, 'kind' | 'action'>> = {},
): void {
  const id = ++lastNotice
  overlays.notices = [...overlays.notices.slice(-2), { id, text, kind, action }]
  setTimeout(() => dismiss(id), action || kind === 'error' ? 8000 : 4000)
}

export function dismiss(id: number): void {
  overlays.notices = overlays.notices.filter((notice) => notice.id !== id)
}
