// `npm run screenshots`: takes screenshots of every page on a desktop and on a phone, light and
// dark, and writes them into ./screenshots. It needs nothing except Chromium, because its node
// stores everything in a temporary folder.
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import type { Session, User } from '@lockstep/protocol/account'
import { spawnNode } from '../harness/node.ts'
import { cookieOf, Person, request } from '../harness/person.ts'
import { prepareBundle } from '../harness/programs.ts'
import { appPages, fillAccount, type AppPage } from './app-pages.ts'
import { desktop, launch, openWindow, phone } from './browser-windows.ts'
import { waitForVisible } from './user-actions.ts'

const folder = new URL('../../screenshots/', import.meta.url).pathname
const devices: Record<string, BrowserContextOptions> = { desktop, phone }
const signInPage = {
  name: 'sign-in',
  path: '/app/sign-in',
  ready: (page) => page.getByLabel('Username'),
} satisfies AppPage

/** Takes a screenshot of each page. Without `person`, nobody is signed in. */
async function takeScreenshots(
  browser: Browser,
  url: string,
  pages: AppPage[],
  name: string,
  options: BrowserContextOptions,
  person?: Person,
) {
  const { page } = await openWindow(browser, url, pages[0]!.path, {
    ...options,
    person,
    reducedMotion: 'reduce',
  })
  for (const { name: pageName, path, ready } of pages) {
    await page.goto(url + path)
    await waitForVisible(ready(page))
    await page.waitForLoadState('networkidle')
    await page.screenshot({ path: join(folder, `${pageName}-${name}.png`) })
  }
  await page.context().close()
}

/**
 * Signs up under a plain name for the pictures. No other test uses this node, so the name is free.
 */
async function signUpAlice(url: string): Promise<Person> {
  const password = 'only for these pictures'
  const { body, headers } = await request<{ user: User; session: Session }>(
    `${url}/auth/register`,
    'POST',
    {
      username: 'alice',
      password,
    },
  )
  return new Person(url, body, cookieOf(headers), password)
}

const dataFolder = await mkdtemp(join(tmpdir(), 'lockstep-screenshots-'))
await mkdir(folder, { recursive: true })
await prepareBundle()
try {
  await using node = await spawnNode({ url: '' }, { MONGODB_URL: undefined, DATA_DIR: dataFolder })
  const browser = await launch()
  const alice = await signUpAlice(node.url)
  const ids = await fillAccount(alice)
  for (const [device, options] of Object.entries(devices))
    for (const colorScheme of ['light', 'dark'] as const) {
      const name = `${device}-${colorScheme}`
      await takeScreenshots(browser, node.url, [signInPage], name, { ...options, colorScheme })
      await takeScreenshots(
        browser,
        node.url,
        appPages(ids),
        name,
        { ...options, colorScheme },
        alice,
      )
      process.stdout.write(`${name}\n`)
    }
  await browser.close()
} finally {
  await rm(dataFolder, { recursive: true, force: true })
}
process.stdout.write(`Screenshots are in ${folder}\n`)
