// All tests of a worker share one headless Chromium and open windows in it. Each window is a
// browser context of its own, so it shares no cookies with the others and stands for a separate
// browser. The pool hands a window that is like new to a later test. A window records
// errors and violations of the Content-Security-Policy, because no page may cause any.
import { existsSync } from 'node:fs'
import {
  chromium,
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type Page,
} from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import type { Person } from '../harness/person.ts'
import { WindowPool, type PooledWindow } from './window-pool.ts'

/** Playwright's own, which a second `--enable-features` would replace, and the last one. */
const features = [
  'CDPScreenshotNewSurface',
  'SkipListAccountsWithoutGaiaCookies',
  'NetworkServiceInProcess2',
]
const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  // A tenth of the processor time goes into talking to processes of their own.
  '--in-process-gpu',
  `--enable-features=${features.join(',')}`,
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export const desktop: BrowserContextOptions = { viewport: { width: 1440, height: 900 } }
export const phone: BrowserContextOptions = {
  viewport: { width: 360, height: 740 },
  deviceScaleFactor: 2,
  hasTouch: true,
  isMobile: true,
}

/**
 * Options of a node for tests that don't watch a reply grow. Painting replies at a reader's pace is
 * what costs such tests most.
 */
export const fastReplies = { options: { agents: { demo: { tokensPerSecond: 1_000 } } } }

export interface OpenedWindow {
  page: Page
  /** The errors and policy violations in this window so far. */
  errors: string[]
}

/**
 * Errors that are expected: a first load without a session is answered with 401, a cut connection
 * fails, and a draft that was written elsewhere meanwhile conflicts.
 */
const expectedErrors =
  /401 \(Unauthorized\)|net::ERR_|404 \(Not Found\)|WebSocket connection to|409 \(Conflict\)\W+\S*\/users\/me\/drafts\//

/** The headless shell comes first: it composes no window, so a test costs half as much. */
const installedBrowser = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'].find((file) =>
  existsSync(file),
)

/**
 * Starts Chromium. The environment variable `CHROMIUM` may name another executable than Debian's.
 */
export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? installedBrowser, args })

/** A browser of its own at `url`. With `person`, it already has the cookie of that session. */
export async function openContext(
  browser: Browser,
  url: string,
  { person, ...options }: BrowserContextOptions & { person?: Person } = {},
): Promise<BrowserContext> {
  // There is no GPU here, so animations would take a fifth of the browser's processor time.
  const context = await browser.newContext({ ...desktop, reducedMotion: 'reduce', ...options })
  if (person) await context.addCookies([cookieFor(url, person)])
  return context
}

function cookieFor(url: string, { cookie }: Person) {
  const [name = '', value = ''] = cookie.split(/=(.*)/s)
  return { name, value, url, httpOnly: true, sameSite: 'Lax' as const }
}

type WindowOptions = BrowserContextOptions & {
  person?: Person
  /** What a test provokes in the console beside the errors that any page may meet. */
  alsoExpected?: RegExp
}

/** Opens a window of a browser of its own at `url + path`, see `openContext`. */
export async function openWindow(
  browser: Browser,
  url: string,
  path: string,
  { alsoExpected, ...options }: WindowOptions = {},
): Promise<OpenedWindow> {
  const context = await openContext(browser, url, options)
  const page = await context.newPage()
  const errors = await collectErrors(page, () => alsoExpected)
  await page.goto(url + path)
  return { page, errors }
}

/** Collects the errors of a page, and its violations of the Content-Security-Policy. */
async function collectErrors(
  page: Page,
  alsoExpected: () => RegExp | undefined,
): Promise<string[]> {
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(error.stack ?? error.message))
  page.on('console', (message) => {
    const text = `${message.text()} ${message.location().url}`
    const isExpected = expectedErrors.test(text) || alsoExpected()?.test(text)
    if (message.type() === 'error' && !isExpected) errors.push(text)
  })
  await page.exposeFunction('reportViolation', (text: string) => errors.push(text))
  await page.addInitScript(() => {
    addEventListener(
      'securitypolicyviolation',
      ({ violatedDirective, blockedURI, sourceFile, lineNumber }) => {
        const report = (window as unknown as { reportViolation: (text: string) => void })
          .reportViolation
        report(
          `Content-Security-Policy: ${violatedDirective} ${blockedURI} at ${sourceFile}:${lineNumber}`,
        )
      },
    )
  })
  return errors
}

export interface Windows {
  browser: Browser
  /**
   * Opens a window, see `openWindow`. An error in the window fails the test that runs at that time.
   * The window is closed when that test ends, unless it `lasts` until the file ends. It may have
   * served an earlier test, unless it `isNew`.
   */
  open: (
    url: string,
    path: string,
    options?: WindowOptions & { lasts?: boolean; isNew?: boolean },
  ) => Promise<Page>
  /**
   * Keeps what the windows of the running test need, such as a node, until they are closed. A page
   * whose node ends first reports that as an error, or not, as it happens.
   */
  keep: <Resource extends AsyncDisposable>(resource: Resource) => Resource
}

/**
 * One browser for all files of a worker, because starting it costs more than most tests. It ends
 * with the worker.
 */
let runningBrowser: Promise<Browser> | undefined
const pool = new WindowPool()

export interface BrowserOptions {
  /**
   * The windows save data: the page loads no part of itself before it is needed, which is a tenth
   * of what a window costs. Not for tests of a page whose connection is lost.
   */
  savesData?: boolean
}

/** Registers hooks that give the tests of a file their browser. Call it at the top of the file. */
export function sharedBrowser({ savesData = false }: BrowserOptions = {}): Windows {
  let opened: PooledWindow[] = []
  let kept = new AsyncDisposableStack()
  const lasting = new Set<PooledWindow>()
  const windows = {} as Windows
  windows.keep = (resource) => kept.use(resource)
  beforeAll(async () => {
    const browser = (windows.browser = await (runningBrowser ??= launch()))
    windows.open = async (url, path, options = {}) => {
      const { person, alsoExpected, lasts, isNew, ...contextOptions } = options
      const key = JSON.stringify({ savesData, ...contextOptions })
      const pooled =
        (isNew ? undefined : pool.take(key)) ??
        (await create(browser, key, contextOptions, savesData))
      pooled.alsoExpected = alsoExpected
      opened.push(pooled)
      if (lasts) lasting.add(pooled)
      await pool.visit(pooled, url + path, person && cookieFor(url, person))
      return pooled.page
    }
  })
  // Errors must fail a test, not a hook of the file: after a failed hook the remaining hooks would
  // not run, and nodes and databases would be left running.
  afterEach(async () => {
    const errors = opened.flatMap(({ errors }) => errors.splice(0))
    const done = opened.filter((pooled) => !lasting.has(pooled))
    opened = [...lasting]
    await Promise.all(done.map((pooled) => pool.giveBack(pooled)))
    const needless = kept
    kept = new AsyncDisposableStack()
    await needless.disposeAsync()
    expect(errors).toEqual([])
  })
  afterAll(async () => {
    await Promise.all(opened.map((pooled) => pool.giveBack(pooled)))
  })
  return windows
}

async function create(
  browser: Browser,
  key: string,
  options: BrowserContextOptions,
  savesData: boolean,
): Promise<PooledWindow> {
  const context = await openContext(browser, '', options)
  if (savesData) await context.addInitScript(saveData)
  const page = await context.newPage()
  const errors = await collectErrors(page, () => pooled.alsoExpected)
  const pooled = await pool.add(key, context, page, errors)
  return pooled
}

/** Runs in the page. */
export function saveData(): void {
  Object.defineProperty(navigator, 'connection', { value: { saveData: true } })
}
