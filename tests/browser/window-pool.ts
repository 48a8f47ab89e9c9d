// A window that a test has only looked at and typed into serves a later test, also of the next
// file: its process, its compiled code and its cache are there already, which halves what it costs.
// Before that it loses everything that a person could tell it from a new one by: the page, cookies,
// storage and history, and the routes that the test gave it. A test that does more to a window
// (listeners, emulation, further tabs) has it for itself, and it is closed afterwards.
import type { BrowserContext, CDPSession, Page } from 'playwright-core'

/** More windows would only take memory: no test has more than three at once. */
const idleWindows = 4

/** The methods of a page that leave nothing behind when the document and its routes are gone. */
const personal =
  /^(then$|getBy|locator$|goto$|reload$|goBack$|goForward$|url$|title$|content$|evaluate$|waitFor|screenshot$|isClosed$|close$|keyboard$|mouse$|touchscreen$|viewportSize$|frames$|mainFrame$|route$|unroute)/

/** A window of a browser of its own. */
export interface PooledWindow {
  /** What a test gets. */
  page: Page
  /** The address of the page that is to be opened, and every origin since. */
  origins: Set<string>
  /** The errors and policy violations in this window so far. */
  errors: string[]
  /** What the test provokes in the console beside the errors that any page may meet. */
  alsoExpected?: RegExp
  /** A test has done to it what can't be undone. */
  isAltered: boolean
}

type Cookie = Parameters<BrowserContext['addCookies']>[0][number]

/** What only the pool knows about a window. */
interface Inside {
  key: string
  context: BrowserContext
  page: Page
  session: CDPSession
}

export class WindowPool {
  /** The last one was used last. */
  readonly #idle: PooledWindow[] = []
  readonly #insides = new WeakMap<PooledWindow, Inside>()

  /** A window for the options that `key` stands for, if one is free. */
  take(key: string): PooledWindow | undefined {
    const at = this.#idle.findLastIndex((pooled) => this.#insides.get(pooled)!.key === key)
    return at < 0 ? undefined : this.#idle.splice(at, 1)[0]
  }

  /** A new window. */
  async add(
    key: string,
    context: BrowserContext,
    page: Page,
    errors: string[],
  ): Promise<PooledWindow> {
    const session = await context.newCDPSession(page)
    const pooled: PooledWindow = {
      page: watched(page, () => (pooled.isAltered = true)),
      origins: new Set(),
      errors,
      isAltered: false,
    }
    page.on('framenavigated', (frame) => {
      if (frame.parentFrame() === null && /^http/.test(frame.url()))
        pooled.origins.add(new URL(frame.url()).origin)
    })
    this.#insides.set(pooled, { key, context, page, session })
    return pooled
  }

  /** Opens an address, with the cookie of a session. */
  async visit(pooled: PooledWindow, url: string, cookie?: Cookie): Promise<void> {
    const { context, page } = this.#insides.get(pooled)!
    if (cookie) await context.addCookies([cookie])
    await page.goto(url)
  }

  /** Frees a window for another test, or closes it. */
  async giveBack(pooled: PooledWindow): Promise<void> {
    const { context, page } = this.#insides.get(pooled)!
    const isLikeNew =
      !pooled.isAltered &&
      !page.isClosed() &&
      context.pages().length === 1 &&
      (await this.#empty(pooled).catch(() => false))
    if (!isLikeNew) return context.close()
    this.#idle.push(pooled)
    if (this.#idle.length > idleWindows) await this.#close(this.#idle.shift()!)
  }

  /** Closes the windows that are free. */
  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((pooled) => this.#close(pooled)))
  }

  #close(pooled: PooledWindow): Promise<void> {
    return this.#insides.get(pooled)!.context.close()
  }

  async #empty(pooled: PooledWindow): Promise<boolean> {
    const { context, page, session } = this.#insides.get(pooled)!
    await page.unrouteAll({ behavior: 'ignoreErrors' })
    await page.mouse.move(-1, -1)
    // A page of the same origin keeps the process; a blank one would not.
    await page.goto(`${new URL(page.url()).origin}/healthz?idle`, { timeout: 2_000 })
    await context.clearCookies()
    for (const origin of pooled.origins) {
      await session.send('Storage.clearDataForOrigin', { origin, storageTypes: 'all' })
      const storageId = { storageKey: `${origin}/`, isLocalStorage: false }
      await session.send('DOMStorage.clear', { storageId })
    }
    await session.send('Page.resetNavigationHistory')
    pooled.origins.clear()
    pooled.errors.length = 0
    return context.pages().length === 1
  }
}

/** The page, which reports if anything is done to it that isn't `personal`. */
function watched(page: Page, onAlteration: () => void): Page {
  return new Proxy(page, {
    get(target, name) {
      if (typeof name === 'string' && !personal.test(name)) onAlteration()
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
