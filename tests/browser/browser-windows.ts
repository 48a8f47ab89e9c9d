// All tests of a worker share one headless Chromium and open windows in it. Each window is a
// browser context of its own, so it shares no cookies with the others and stands for a separate
// browser. A window records errors and violations of the Content-Security-Policy, because no page
// may cause any.
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
 * Errors that are expected: a first load without a session is answered with 401, and a cut
 * connection fails.
 */
const expectedErrors = /401 \(Unauthorized\)|net::ERR_|404 \(Not Found\)|WebSocket connection to/

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
  if (person) {
    const [name = '', value = ''] = person.cookie.split(/=(.*)/s)
    await context.addCookies([{ name, value, url, httpOnly: true, sameSite: 'Lax' }])
  }
  return context
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
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(error.stack ?? error.message))
  page.on('console', (message) => {
    const text = message.text()
    const isExpected = expectedErrors.test(text) || alsoExpected?.test(text)
    if (message.type() === 'error' && !isExpected) errors.push(`${text} ${message.location().url}`)
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
  await page.goto(url + path)
  return { page, errors }
}

export interface Windows {
  browser: Browser
  /**
   * Opens a window, see `openWindow`. An error in the window fails the test that runs at that time.
   */
  open: (url: string, path: string, options?: Parameters<typeof openWindow>[3]) => Promise<Page>
}

/**
 * One browser for all files of a worker, because starting it costs more than most tests. It ends
 * with the worker.
 */
let runningBrowser: Promise<Browser> | undefined

/** Registers hooks that give the tests of a file their browser. Call it at the top of the file. */
export function sharedBrowser(): Windows {
  const openedWindows: OpenedWindow[] = []
  const windows = {} as Windows
  beforeAll(async () => {
    windows.browser = await (runningBrowser ??= launch())
    windows.open = async (url, path, options) => {
      const opened = await openWindow(windows.browser, url, path, options)
      openedWindows.push(opened)
      return opened.page
    }
  })
  // Errors must fail a test, not a hook of the file: after a failed hook the remaining hooks would
  // not run, and nodes and databases would be left running.
  afterEach(() => {
    expect(openedWindows.flatMap(({ errors }) => errors.splice(0))).toEqual([])
  })
  afterAll(() => Promise.all(openedWindows.map(({ page }) => page.context().close())))
  return windows
}
