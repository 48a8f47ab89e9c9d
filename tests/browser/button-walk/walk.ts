// Presses the controls of a page one after the other, and compares what the page offers with a
// table. The table has a row for each control, with what a person sees when it has done its work.
import type { Locator, Page } from 'playwright-core'
import { AccessibilityTree, type Control } from './accessible-controls.ts'

/** A text, an element, or a question such as what a field contains. */
export type Sight = string | ((page: Page) => Locator | Promise<boolean>)

export interface Row {
  /** As in `Control.path`; `*` stands for any text. If several match, the last one is pressed. */
  control: string
  /** The controls that need no row of their own, because they are of the same kind. */
  like?: string
  /** What a person sees afterwards. It was not there before. */
  sees?: Sight
  /** What a person doesn't see any more. It was there before. */
  loses?: Sight
  /** How the control is used, if it isn't clicked. */
  press?: (control: Locator, page: Page) => Promise<unknown>
  /** What a person does before, such as filling a form. */
  before?: (page: Page) => Promise<unknown>
  /** True if pressing it shows this error on purpose. */
  warns?: boolean
}

/** A state of the page in which some controls can be pressed. */
export interface Scene {
  name: string
  /** Leads there from anywhere. It is called again if a row's control isn't there. */
  open: (page: Page) => Promise<unknown>
  rows: readonly Row[]
}

const patienceMs = 20_000

async function isSeen(sight: Sight, page: Page): Promise<boolean> {
  const sought = typeof sight === 'string' ? page.getByText(sight) : sight(page)
  return sought instanceof Promise ? sought : (await sought.filter({ visible: true }).count()) > 0
}

/** Whether a sight comes, or goes, soon. */
async function becomes(sight: Sight, page: Page, isThere: boolean): Promise<boolean> {
  for (const end = Date.now() + patienceMs; Date.now() < end;) {
    if ((await isSeen(sight, page)) === isThere) return true
    await page.waitForTimeout(100)
  }
  return false
}

const patternOf = (control: string): RegExp =>
  new RegExp(`^${control.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`, 's')

/** A walk on one page. `table` has the scenes of all walks: any control may come into view. */
export class ButtonWalk {
  readonly #problems: string[] = []
  readonly #known: readonly RegExp[]
  /** Every path that came into view. */
  readonly #compared = new Set<string>()
  readonly #visit: PageWalk

  constructor(page: Page, table: readonly Scene[]) {
    this.#known = table.flatMap(({ rows }) =>
      rows.map(({ control, like }) => patternOf(like ?? control)),
    )
    this.#visit = new PageWalk(page, (controls, where) => this.#compare(controls, where))
  }

  /**
   * Presses the controls of all rows.
   * @returns what is wrong: controls without a row, rows without a control, sights that didn't come
   */
  async run(scenes: readonly Scene[]): Promise<string[]> {
    await this.#visit.watchErrors()
    for (const scene of scenes)
      for (const row of scene.rows) {
        const problem = await this.#visit.press(scene, row)
        if (problem !== undefined) this.#problems.push(`${scene.name}: ${row.control}: ${problem}`)
      }
    return this.#problems
  }

  #compare(controls: readonly Control[], where: string): void {
    for (const { path } of controls) {
      if (this.#compared.has(path)) continue
      this.#compared.add(path)
      if (this.#known.some((pattern) => pattern.test(path))) continue
      this.#problems.push(`${where}: ${path}: has no row in the table`)
    }
  }
}

/** The walk on one page. */
class PageWalk {
  readonly #page: Page
  readonly #tree: AccessibilityTree
  readonly #compare: (controls: readonly Control[], where: string) => void
  /** Errors that were shown, however briefly. */
  readonly #shownErrors: string[] = []
  #scene: Scene | undefined
  #brokenScene: Scene | undefined
  /** What the page offered after the last step. */
  #controls: readonly Control[] = []

  constructor(page: Page, compare: (controls: readonly Control[], where: string) => void) {
    this.#page = page
    this.#tree = new AccessibilityTree(page)
    this.#compare = compare
  }

  /** Undefined: a person sees what the row says. */
  async press(scene: Scene, row: Row): Promise<string | undefined> {
    const page = this.#page
    try {
      if (scene === this.#brokenScene) return 'its scene can’t be opened'
      const element = await this.#find(scene, row)
      if (!element) return 'there is no such control'
      if (row.sees && !(await becomes(row.sees, page, false)))
        return 'what it shows was there before'
      if (row.loses && !(await becomes(row.loses, page, true)))
        return 'what goes was not there before'
      this.#shownErrors.length = 0
      await (row.press ? row.press(element, page) : element.click({ timeout: patienceMs }))
      if (row.sees && !(await becomes(row.sees, page, true))) return this.#failed(row.sees)
      if (row.loses && !(await becomes(row.loses, page, false))) return this.#failed(row.loses)
      await this.#look(`${scene.name} after ${row.control}`)
      if (this.#shownErrors.length > 0 && !row.warns)
        return `an error was shown: ${this.#shownErrors.join(' · ')}`
      return undefined
    } catch (error) {
      // The next row begins from a scene that is opened anew.
      this.#scene = undefined
      return error instanceof Error ? error.message.split('\n').slice(0, 3).join(' ') : 'failed'
    }
  }

  /** The next row begins from a scene that is opened anew. */
  #failed(sight: Sight): string {
    this.#scene = undefined
    return `nobody sees it: ${String(sight)} ${this.#shownErrors.join(' · ')}`
  }

  /** Opens the scene unless the control is there. */
  async #find(scene: Scene, row: Row): Promise<Locator | undefined> {
    const pattern = patternOf(row.control)
    if (scene !== this.#scene) await this.#open(scene)
    else await this.#dismissNotices(row)
    // Reading the tree is the dearest part of a step; what was just seen is there still.
    let found = this.#seen(pattern)
    const isHere = found !== undefined
    if (!isHere) await this.#open(scene)
    await row.before?.(this.#page)
    if (row.before) found = await this.#match(pattern)
    else found ??= this.#seen(pattern)
    for (const end = Date.now() + patienceMs; Date.now() < end;) {
      // A page that has just drawn it anew doesn't know the found element any more.
      const element = found && (await this.#tree.locate(found).catch(() => undefined))
      if (element && !found?.isDisabled) return element
      await this.#page.waitForTimeout(100)
      found = await this.#match(pattern)
    }
    return undefined
  }

  async #match(pattern: RegExp): Promise<Control | undefined> {
    this.#controls = await this.#tree.controls()
    return this.#seen(pattern)
  }

  #seen(pattern: RegExp): Control | undefined {
    return this.#controls.findLast(({ path }) => pattern.test(path))
  }

  async #look(where: string): Promise<void> {
    this.#controls = await this.#tree.controls()
    this.#compare(this.#controls, where)
  }

  async #open(scene: Scene): Promise<void> {
    const overlay = this.#page.locator('[role=menu], [role=dialog], [role=alertdialog]')
    if (await overlay.first().isVisible()) {
      await this.#page.keyboard.press('Escape')
      await overlay.first().waitFor({ state: 'hidden', timeout: patienceMs })
    }
    await this.#dismissNotices()
    this.#page.setDefaultTimeout(patienceMs)
    this.#brokenScene = scene
    await scene.open(this.#page)
    this.#brokenScene = undefined
    this.#scene = scene
    await this.#look(scene.name)
  }

  /** A notice of an earlier row must not be taken for this one's. */
  async #dismissNotices(row?: Row): Promise<void> {
    if (row?.control.startsWith('status')) return
    await this.#page.evaluate(() => {
      const buttons = '[role="status"] .notice button:last-child'
      for (const button of document.querySelectorAll<HTMLElement>(buttons)) button.click()
    })
  }

  /** Remembers each error that the page shows from now on. */
  async watchErrors(): Promise<void> {
    await this.#page.exposeFunction('reportShownError', (text: string) =>
      this.#shownErrors.push(text),
    )
    await this.#page.addInitScript(watchForErrors)
    await this.#page.evaluate(watchForErrors)
  }
}

/** Runs in the page. */
function watchForErrors(): void {
  const { reportShownError } = window as unknown as { reportShownError: (text: string) => void }
  let last = ''
  const look = () => {
    const shown = document.querySelectorAll<HTMLElement>('[data-kind="error"], [role="alert"]')
    const text = [...shown]
      .map((element) => element.innerText.trim())
      .join(' ')
      .trim()
    if (text !== '' && text !== last) reportShownError(text)
    last = text
  }
  new MutationObserver(look).observe(document, {
    childList: true,
    characterData: true,
    subtree: true,
  })
}
