// The page in other languages. In the pseudo-language each text of the catalogues has foreign
// letters, so a text that stands outside of them shows. In the short form, the seed chooses on
// which of two devices each page is read. Arabic is written from right to left.
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { reasons } from '../../realtime/agents/provider.ts'
import { toPseudo } from '../../tools/vite/texts.ts'
import arabic from '../../ui/texts/ar.json' with { type: 'json' }
import english from '../../ui/texts/en.json' with { type: 'json' }
import { isLongForm } from '../harness/long-form.ts'
import { signUp } from '../harness/person.ts'
import { randomOf } from '../harness/random.ts'
import { seed } from '../harness/seed.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { appPages, fillAccount } from './app-pages.ts'
import { desktop, phone, sharedBrowser } from './browser-windows.ts'
import { navigateTo, waitForVisible } from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser({ savesData: true })

/** What the user, their devices and the server's agents are called isn't the page's text. */
const isOthers =
  /garden|sun|soil|bed|Plant|beans|Spinach|Tomatoes|sowing|frost|Invoice|Regex|coast|Reading list|distributed|Editor|Demo|demo|alice|Chrome|Node|HeadlessChrome|Linux|Edge|Compare two ways|English|العربية|Lockstep|ChatGPT|Claude|LibreChat|Open WebUI|chat-ui|Ctrl|Esc|AM|PM|Today|Yesterday/

/** A text of the English catalogue in Arabic. */
function inArabic(text: string): string {
  const translations: Record<string, Record<string, string>> = arabic
  for (const [section, messages] of Object.entries<Record<string, string>>(english))
    for (const [key, message] of Object.entries(messages))
      if (message === text) return translations[section]![key]!
  throw new Error(`The catalogue has no “${text}”`)
}

/** The texts that people read or hear on the page, without those of messages and of choices. */
const readableTexts = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const texts = new Set<string>([document.title])
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const parent = node.parentElement!
      const isOfOthers = parent.closest(
        'script, style, noscript, time, [dir=auto], .markdown, article .plain, .message, .day, .task, [lang]:not(html)',
      )
      const isDate = parent.closest('h2, h3, select') !== null && /\d/.test(node.nodeValue ?? '')
      if (!isOfOthers && !isDate) texts.add((node.nodeValue ?? '').trim())
    }
    for (const element of document.querySelectorAll('body *'))
      for (const name of ['aria-label', 'placeholder', 'title', 'data-hint'])
        if (element.tagName !== 'TIME') texts.add((element.getAttribute(name) ?? '').trim())
    return [...texts]
  })

/** Texts with a word in which no letter is foreign. */
const outside = (texts: readonly string[]): string[] =>
  texts.filter(
    (text) =>
      /[A-Za-z]{3}/.test(text.normalize('NFC')) &&
      !/[^\p{ASCII}“”·…’–‘]/u.test(text) &&
      !isOthers.test(text),
  )

test.each([
  ['desktop', desktop],
  ['phone', phone],
])('every text of every page is in the catalogues: %s', async (kind, device) => {
  // The same numbers for both devices, so that each page is read on one of them.
  const random = randomOf(seed)
  const alice = await signUp(shared.node, 'alice')
  const ids = await fillAccount(alice)
  await alice.ask('putPreferences', { body: { language: 'en-XA' } })
  const page = await windows.open(shared.node.url, '/app', { ...device, person: alice })
  await waitForVisible(page.getByText('Çĥåţš').first())
  for (const { name, path, ready } of appPages(ids, toPseudo)) {
    if (random() < 0.5 !== (kind === 'phone') && !isLongForm) continue
    await navigateTo(page, path)
    await waitForVisible(ready(page))
    await expect
      .poll(async () => outside(await readableTexts(page)), { message: name, timeout: 10_000 })
      .toEqual([])
  }
})

test('a language that is chosen applies on every device at once, and Arabic runs from right to left', async () => {
  const alice = await signUp(shared.node, 'alice')
  const left = await windows.open(shared.node.url, '/app/settings/appearance', { person: alice })
  const right = await windows.open(shared.node.url, '/app/new', { person: alice })
  await left.getByLabel('Language', { exact: true }).selectOption('العربية')
  for (const page of [left, right]) {
    await waitForVisible(page.getByRole('link', { name: 'محادثة جديدة' }))
    await expect.poll(() => page.locator('html').getAttribute('dir')).toBe('rtl')
    await expect.poll(() => page.locator('html').getAttribute('lang')).toBe('ar')
  }
  const sidebar = (await right.getByRole('complementary').boundingBox())!
  const field = (await right.locator('textarea').boundingBox())!
  expect(sidebar.x).toBeGreaterThan(field.x)

  // What the server says in English has a text in the language of the page.
  const messages = [
    { role: 'user' as const, content: 'مرحبا' },
    {
      role: 'assistant' as const,
      content: '',
      status: 'failed' as const,
      metadata: { reason: reasons.busy, reason_code: 'busy' },
    },
  ]
  const { id } = await alice.ask('createConversation', { body: { messages } })
  await navigateTo(right, `/app/c/${id}`)
  await waitForVisible(right.getByText('المساعد مشغول الآن.'))
  await expect.poll(() => right.getByText(reasons.busy).count()).toBe(0)
})

test('no page in Arabic is wider than its window', async () => {
  const alice = await signUp(shared.node, 'alice')
  const ids = await fillAccount(alice)
  await alice.ask('putPreferences', { body: { language: 'ar' } })
  const page = await windows.open(shared.node.url, '/app', { ...phone, person: alice })
  await waitForVisible(page.getByText('المحادثات').first())
  for (const { name, path, ready } of appPages(ids, inArabic)) {
    await navigateTo(page, path)
    await waitForVisible(ready(page))
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    )
    expect(overflow, name).toBe(0)
  }
})

test('somebody who is signed out reads the first of the browser’s languages that has a catalogue', async () => {
  const page = await windows.open(shared.node.url, '/app/sign-in', { locale: 'ar-EG' })
  await waitForVisible(page.getByRole('button', { name: 'تسجيل الدخول' }))

  // what a field lacks isn't told in the browser's own language
  const username = page.locator('input[name=username]')
  const told = () => username.evaluate((field: HTMLInputElement) => field.validationMessage)
  await page.locator('a[href^="/app/sign-up"]').click()
  const signUp = page.locator('form button')
  await signUp.click()
  await expect.poll(told).toBe('املأ هذا الحقل.')
  await username.fill('al')
  await expect.poll(told).not.toBe('املأ هذا الحقل.')
  await username.pressSequentially('i')
  await username.press('Backspace')
  await signUp.click()
  await expect.poll(told).toMatch(/^استخدم/)
})
