// One headless Chromium for all tests of a worker, and windows in it: each a browser of its own (a context), with somebody signed in or
// nobody. A window remembers what no page may ever cause: errors, and violations of the Content-Security-Policy.
import { existsSync } from 'node:fs'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import type { Person } from '../harness/person.ts'

const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
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

/** For nodes whose replies nobody watches growing: painting them at a reader's pace is what costs most. */
export const quickReplies = { options: { agents: { demo: { tokensPerSecond: 1_000 } } } }

export interface Sight {
  page: Page
  /** What went wrong in this window so far. */
  faults: string[]
}

/** A page's first load without a session answers 401, and a cut cable refuses: both are how it should be. */
const expected = /401 \(Unauthorized\)|net::ERR_|404 \(Not Found\)|WebSocket connection to/

/** The headless shell has no window to compose: a test costs half as much. */
const installed = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'].find((file) =>
  existsSync(file),
)

/** Starts Chromium; `CHROMIUM` names another one than Debian's. */
export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? installed, args })

/** Opens a window on an address of `url`; with `person`, its session's cookie is there already. */
export async function openWindow(
  browser: Browser,
  url: string,
  path: string,
  { person, ...options }: BrowserContextOptions & { person?: Person } = {},
): Promise<Sight> {
  // motion is painted by the processor here, and costs a fifth of all that browsers do
  const context = await browser.newContext({ ...desktop, reducedMotion: 'reduce', ...options })
  if (person) {
    const [name = '', value = ''] = person.cookie.split(/=(.*)/s)
    await context.addCookies([{ name, value, url, httpOnly: true, sameSite: 'Lax' }])
  }
  const page = await context.newPage()
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(error.stack ?? error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' && !expected.test(message.text())) faults.push(message.text())
  })
  await page.exposeFunction('reportViolation', (text: string) => faults.push(text))
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
  return { page, faults }
}

export interface Windows {
  browser: Browser
  /** See `openWindow`; what went wrong in it fails the test that runs then. */
  open: (url: string, path: string, options?: Parameters<typeof openWindow>[3]) => Promise<Page>
}

/** One for all files of a worker, which ends with it: starting it costs more than most tests. */
let running: Promise<Browser> | undefined

/** Chromium for the tests of a file. */
export function sharedBrowser(): Windows {
  const opened: Sight[] = []
  const windows = {} as Windows
  beforeAll(async () => {
    windows.browser = await (running ??= launch())
    windows.open = async (url, path, options) => {
      const sight = await openWindow(windows.browser, url, path, options)
      opened.push(sight)
      return sight.page
    }
  })
  // a test fails by them, and not the file: the hooks behind a failed one don't run, and would leave nodes and databases behind
  afterEach(() => {
    expect(opened.flatMap(({ faults }) => faults.splice(0))).toEqual([])
  })
  afterAll(() => Promise.all(opened.map(({ page }) => page.context().close())))
  return windows
}
