// Random walks of a person who types on two devices. The invariant: every word that was typed and
// not deleted is on the server at the end: in a message, a draft, a setting or a task. Words whose
// loss the page has announced don't count, but the page may announce a loss only where it can't
// keep the text: offline, or where two texts conflict and the person is shown both.
import { setTimeout as pause } from 'node:timers/promises'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { Person } from '../harness/person.ts'
import { eventually } from '../harness/eventually.ts'
import { Wire } from '../harness/wire.ts'
import { openContext } from './browser-windows.ts'
import { giveHands, use } from './typing-hands.ts'
import { navigateTo } from './user-actions.ts'

interface Device {
  context: BrowserContext
  wire: Wire
  /** Whether the line is cut or the browser has no network: a page may tell them apart. */
  losesNetwork: boolean
  isOffline: boolean
}
interface Tab {
  name: string
  device: Device
  page: Page | undefined
  /** The browser has asked whether to leave the page; every such question is answered with no. */
  questions: number
  /** How often it can go back without leaving the app. */
  visited: number
}

export interface Walk {
  browser: Browser
  /** One session of the same account for each device. */
  sessions: readonly Person[]
  chats: readonly string[]
  /** The first device has a second tab. */
  hasSecondTab: boolean
  seed: number
  steps: number
}

/** A small generator of random numbers in [0, 1), so that a seed always gives the same walk. */
function randomsOf(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const press = (page: Page, names: readonly string[], pick: number, within?: string) =>
  use(page, { names, pick, within }, (hands, { names, pick, within }) =>
    hands.press(names, pick, within),
  )

async function connect({ context, wire, losesNetwork, isOffline }: Device): Promise<void> {
  if (losesNetwork) await context.setOffline(isOffline)
  else if (isOffline) wire.cut()
  else wire.restore()
}

/** What leads a person to lose words knowingly: the button says so, or a question shows both. */
const discarding = ['Discard', 'Discard changes', 'Use theirs', 'Cancel']
const keeping = ['Keep as draft', 'Restore and send', 'Replace with mine', 'Use mine', 'Try again']

class TypingWalk {
  readonly #walk: Walk
  readonly #random: () => number
  readonly #devices: Device[] = []
  readonly #tabs: Tab[] = []
  /** Every word that was typed, with where; deleted and discarded ones are removed. */
  readonly #words = new Map<string, string>()
  readonly #log: string[] = []
  #count = 0

  constructor(walk: Walk) {
    this.#walk = walk
    this.#random = randomsOf(walk.seed)
  }

  async play(): Promise<void> {
    const { browser, sessions, steps, hasSecondTab } = this.#walk
    for (const [n, person] of sessions.entries()) {
      const wire = await Wire.to({ port: Number(new URL(person.url).port) })
      const context = await openContext(browser, `http://${wire.address}`, { person })
      await context.addInitScript(giveHands)
      const losesNetwork = this.#walk.seed % 3 === 0
      const device = { context, wire, losesNetwork, isOffline: false }
      this.#devices.push(device)
      for (const name of n === 0 && hasSecondTab ? ['', ', second tab'] : [''])
        this.#tabs.push({
          name: `device ${n}${name}`,
          device,
          page: undefined,
          questions: 0,
          visited: 0,
        })
    }
    try {
      for (const tab of this.#tabs) await this.#open(tab, '/app/new')
      for (let step = 0; step < steps; step++) await this.#step()
      await this.#checkEnd()
    } catch (error) {
      const steps = this.#log.join('\n  ')
      throw new Error(`The walk with seed ${this.#walk.seed} failed:\n  ${steps}`, { cause: error })
    } finally {
      for (const { context, wire } of this.#devices) {
        await context.close()
        await wire[Symbol.asyncDispose]()
      }
    }
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)]!
  }
  #note(tab: Tab, what: string): void {
    this.#log.push(`${tab.name}: ${what}`)
  }
  /** The person has deleted or discarded the words in these texts. */
  #forget(texts: string, present = ''): void {
    for (const word of this.#words.keys())
      if (texts.includes(word) && !present.includes(word)) this.#words.delete(word)
  }

  async #step(): Promise<void> {
    const tab = this.#pick(this.#tabs)
    const [first, pick] = [this.#random(), this.#random()]
    const { page } = tab
    if (!page) return tab.device.isOffline ? this.#toggle(tab) : this.#open(tab, this.#place(pick))
    if (await use(page, null, (hands) => hands.isAsked())) {
      if (first < 0.3) return this.#toggle(tab)
      return this.#answer(tab, page, pick)
    }
    const acts: [weight: number, act: () => Promise<unknown>][] = [
      [10, () => this.#type(tab, page, pick, '')],
      [1, () => this.#type(tab, page, pick, 'pasted '.repeat(1_000))],
      [1, () => this.#clear(tab, page, pick)],
      [4, () => this.#press(tab, page, ['Send'], pick)],
      [4, () => this.#press(tab, page, ['Edit', 'Continue your edit'], pick)],
      [6, () => this.#press(tab, page, ['Save only', 'Send as new version'], pick)],
      [2, () => this.#press(tab, page, ['Earlier version', 'Later version'], pick)],
      [3, () => this.#press(tab, page, ['Swap', 'Add to mine'], pick)],
      [4, () => this.#press(tab, page, ['Save', 'Run', 'Use in a new chat'], pick)],
      [1, () => this.#press(tab, page, discarding, pick, '.editor, main section')],
      [2, () => this.#rename(tab, page, pick)],
      [5, () => this.#navigate(tab, page, this.#place(pick))],
      [1, () => this.#back(tab, page)],
      [1, () => this.#reload(tab, page)],
      [1, () => this.#close(tab, page)],
      [tab.device.isOffline ? 4 : 2, () => this.#toggle(tab)],
      [3, () => pause(pick * 700)],
    ]
    for (let attempt = first; ; attempt = this.#random()) {
      let rest = attempt * acts.reduce((sum, [weight]) => sum + weight, 0)
      if ((await acts.find(([weight]) => (rest -= weight) < 0)![1]()) !== false) return
    }
  }

  #place(pick: number): string {
    const chats = this.#walk.chats.map((id) => `/app/c/${id}`)
    const places = [...chats, ...chats, '/app/new', '/app/agents/demo', '/app/agents/new']
    return places[Math.floor(pick * places.length)]!
  }

  async #type(tab: Tab, page: Page, pick: number, filling: string): Promise<boolean> {
    const word = `w${++this.#count};`
    const typed = await use(page, { pick, text: `${filling} ${word}` }, (hands, { pick, text }) =>
      hands.type(pick, text),
    )
    if (!typed?.isTaken) return false
    this.#words.set(word, `${tab.name}, ${typed.field}`)
    this.#note(tab, `types ${filling && 'much and '}${word} into ${typed.field}`)
    return true
  }

  async #clear(tab: Tab, page: Page, pick: number): Promise<boolean> {
    const cleared = await use(page, pick, (hands, pick) => hands.clear(pick))
    if (!cleared?.deleted) return false
    this.#forget(cleared.deleted)
    this.#note(tab, `clears ${cleared.field}, which had ${cleared.deleted.slice(0, 80)}`)
    return true
  }

  async #press(
    tab: Tab,
    page: Page,
    names: readonly string[],
    pick: number,
    within?: string,
  ): Promise<boolean> {
    const pressed = await press(page, names, pick, within)
    if (!pressed) return false
    this.#note(tab, `presses ${pressed.button}`)
    if (!discarding.includes(pressed.button)) return true
    // What is still there wasn't discarded: an edit has the words of its message too.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)))
    this.#forget(pressed.texts, await page.locator('main').innerText())
    return true
  }

  /** The person chooses: what the question shows and the answer drops is announced. */
  async #answer(tab: Tab, page: Page, pick: number): Promise<void> {
    const answers = [...keeping, 'Keep current', 'Keep theirs']
    const pressed = await press(page, answers, pick, '[role="alertdialog"]')
    if (!pressed) return
    if (!['Keep as draft', 'Restore and send'].includes(pressed.button)) this.#forget(pressed.texts)
    this.#note(tab, `answers ${pressed.button}`)
  }

  async #rename(tab: Tab, page: Page, pick: number): Promise<boolean> {
    const ended = await use(page, pick < 0.7, (hands, isSaved) =>
      hands.endTitle(isSaved ? 'Enter' : 'Escape'),
    )
    if (ended !== undefined) {
      if (pick >= 0.7) this.#forget(ended)
      this.#note(tab, `ends the title ${ended}${pick < 0.7 ? '' : ' by Escape'}`)
      return true
    }
    const isBegun = await page.evaluate(() => {
      const button = document.querySelector<HTMLButtonElement>('main header h1 button')
      button?.click()
      return button !== null
    })
    if (isBegun) this.#note(tab, 'begins to rename the chat')
    return isBegun
  }

  async #navigate(tab: Tab, page: Page, path: string): Promise<void> {
    this.#note(tab, `goes to ${path}`)
    tab.visited++
    await navigateTo(page, path)
  }

  async #back(tab: Tab, page: Page): Promise<boolean> {
    if (tab.visited === 0) return false
    tab.visited--
    this.#note(tab, 'goes back')
    await page.evaluate(() => history.back())
    return true
  }

  async #toggle(tab: Tab): Promise<void> {
    const { device } = tab
    device.isOffline = !device.isOffline
    this.#note(tab, device.isOffline ? 'goes offline' : 'is online again')
    await connect(device)
  }

  async #open(tab: Tab, path: string): Promise<void> {
    this.#note(tab, `opens ${path}`)
    const page = await tab.device.context.newPage()
    tab.page = page
    tab.visited = 0
    page.on('dialog', (dialog) => {
      tab.questions++
      void dialog.dismiss()
    })
    await page.goto(`http://${tab.device.wire.address}${path}`)
    await this.#settleIn(page)
  }

  /** A browser asks only people who have done something on a page. */
  async #settleIn(page: Page): Promise<void> {
    await page.locator('main').first().waitFor()
    await page.mouse.click(1_400, 10)
  }

  /** Without a connection, a page that wouldn't ask whether to stay has nothing to lose. */
  async #reload(tab: Tab, page: Page): Promise<void> {
    const { questions } = tab
    const loaded = page.waitForEvent('framenavigated').catch(() => undefined)
    await page.evaluate(() => setTimeout(() => location.reload()))
    await Promise.race([loaded, eventually(() => tab.questions > questions || page.isClosed())])
    const isKept = tab.questions > questions
    this.#note(tab, isKept ? 'is asked before it reloads, and stays' : 'reloads')
    if (isKept) return
    if (!tab.device.isOffline) return this.#settleIn(page)
    tab.page = undefined
    await page.close()
  }

  async #close(tab: Tab, page: Page): Promise<void> {
    const { questions } = tab
    await page.close({ runBeforeUnload: true })
    await eventually(() => page.isClosed() || tab.questions > questions)
    const isKept = tab.questions > questions
    this.#note(tab, isKept ? 'is asked before it closes, and stays' : 'closes')
    if (!isKept) tab.page = undefined
  }

  async #checkEnd(): Promise<void> {
    for (const device of this.#devices) await connect({ ...device, isOffline: false })
    for (const { page } of this.#tabs)
      if (page) await use(page, null, (hands) => hands.endTitle('Enter'))
    await eventually(
      async () => {
        for (const tab of this.#tabs) {
          if (!tab.page) continue
          if (await use(tab.page, null, (hands) => hands.isAsked()))
            await this.#answerKeeping(tab, tab.page)
          else await this.#press(tab, tab.page, ['Try again'], 0)
        }
        const everything = await this.#everything()
        const lost = [...this.#words].filter(([word]) => !everything.includes(word))
        if (lost.length === 0) return true
        throw new Error(`lost: ${lost.map(([word, where]) => `${word} (${where})`).join(', ')}`)
      },
      { within: 40_000, what: 'the server has every word' },
    )
  }

  async #answerKeeping(tab: Tab, page: Page): Promise<void> {
    const pressed = await press(page, keeping, 0, '[role="alertdialog"]')
    if (!pressed) return
    if (!['Keep as draft', 'Restore and send'].includes(pressed.button)) this.#forget(pressed.texts)
    this.#note(tab, `answers ${pressed.button}`)
  }

  /** Whatever the server has of what the person wrote. */
  async #everything(): Promise<string> {
    const [person] = this.#walk.sessions
    const { body } = await person!.rest<Record<string, unknown>>('GET', '/users/me/export')
    return JSON.stringify(body, (key, value: unknown) =>
      key === 'messages'
        ? (value as { role: string }[]).filter(({ role }) => role === 'user')
        : value,
    )
  }
}

/** Throws with the steps and the lost words. */
export const playTypingWalk = (walk: Walk): Promise<void> => new TypingWalk(walk).play()
