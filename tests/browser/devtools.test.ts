// What developers see at /app/devtools: each device of the user records what it does, and a change
// is followed from the key press to every device.
import type { Locator, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import { composer, navigateTo, threadText, waitForHidden, waitForVisible } from './user-actions.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser({ savesData: true })

const latency = (page: Page) => page.getByRole('region', { name: 'Latency' })

/** What a device shows of the oldest command of a topic, once it shows all of its times. */
async function shownTrace(page: Page, topic: string) {
  const row = latency(page).getByRole('row').filter({ hasText: topic }).last()
  const measured = row.filter({ hasText: /^\D*\d+ ms\d+ ms\d+ ms\D+\d+ ms/ })
  await waitForVisible(measured).catch(async (error: unknown) => {
    throw new Error(`shown: ${await latency(page).innerText()}`, { cause: error })
  })
  const [, device, sent, acked, applied, others, , trace] = await row
    .getByRole('cell')
    .allInnerTexts()
  return { device, times: [sent, acked, applied, others], trace }
}

/** Handling this key takes the page at least so long, as on a slow device; milliseconds. */
const handlingMs = 150
const slowDown = (page: Page) =>
  page.evaluate((ms) => {
    const wait = ({ key }: KeyboardEvent) => {
      const end = performance.now() + ms
      while (key === 'Enter' && performance.now() < end);
    }
    addEventListener('keydown', wait, { capture: true })
  }, handlingMs)

test('a developer sees on each device how long a change took from the key press to all devices', async () => {
  const alice = await signUp(shared.node, 'alice')
  const phone = await windows.open(shared.node.url, '/app/new', { person: await alice.signIn() })
  const laptop = await windows.open(shared.node.url, '/app/devtools', { person: alice })
  await laptop.getByRole('radio', { name: 'On', exact: true }).click()
  await waitForVisible(latency(laptop))
  // The phone records because the account's preference says so, whatever it shows.
  await waitForVisible(latency(laptop).getByRole('row').filter({ hasText: 'preferences update' }))
  await navigateTo(phone, '/app/devtools')
  await waitForVisible(latency(phone))
  await navigateTo(phone, '/app/new')

  // A device that knows of no other one reports to nobody.
  for (const page of [laptop, phone]) await waitForVisible(page.getByTitle('1 other device open'))
  await slowDown(phone)
  await composer(phone).pressSequentially('From key to key')
  await composer(phone).press('Enter')
  await waitForVisible(threadText(phone, 'From key to key'))
  const there = await shownTrace(laptop, 'conversations create')
  await navigateTo(phone, '/app/devtools')
  const here = await shownTrace(phone, 'conversations create')

  expect(here.device).toBe('This device')
  expect(there.device).not.toBe('This device')
  expect(there).toEqual({ ...here, device: there.device })
  const [sent, acked, applied, other] = here.times.map((text) =>
    Number(/(\d+) ms$/.exec(text!)![1]),
  )
  expect(sent).toBeGreaterThanOrEqual(handlingMs)
  for (const later of [acked, applied, other]) expect(later).toBeGreaterThanOrEqual(sent!)

  // What the server writes by itself is in the log, and no key press led to it.
  const log = laptop.getByRole('region', { name: 'Log' })
  await waitForVisible(log.getByText('finished').first())
  await expect
    .poll(() =>
      latency(laptop)
        .getByText(/finished|extended/)
        .count(),
    )
    .toBe(0)

  // The words of the message are there once their entry is opened, and not before.
  const words = log.getByText(/"content":"From key to key"/)
  await expect.poll(() => words.count()).toBe(0)
  await log.getByText('created', { exact: true }).last().click()
  await waitForVisible(words)

  // On a phone all of it fits, with the name of its column at each value.
  await laptop.setViewportSize({ width: 360, height: 740 })
  const regions = ['Latency', 'Outbox', 'Log'].map((name) => laptop.getByRole('region', { name }))
  const sideways = (region: Locator) =>
    region.evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)
  for (const region of regions) await expect.poll(() => sideways(region)).toBe(0)
  const row = latency(laptop).getByRole('row').filter({ hasText: 'conversations create' }).first()
  const cells = await row
    .getByRole('cell')
    .evaluateAll((all) => all.map((cell) => getComputedStyle(cell, '::before').content))
  expect(cells.slice(0, 3)).toEqual(['"Op or command"', '"Device"', '"Sent"'])

  await laptop.getByRole('radio', { name: 'Off', exact: true }).click()
  for (const page of [laptop, phone]) await waitForHidden(latency(page))
})
