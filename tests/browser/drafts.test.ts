// Text that somebody has typed and not sent: it is there again, whatever happens in between.
import type { Page, Route } from 'playwright-core'
import { expect, test } from 'vitest'
import { limits } from '@lockstep/protocol/limits'
import { newId } from '@lockstep/protocol/ids'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { Wire } from '../harness/wire.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import { composer, navigateTo, threadText, waitForVisible } from './user-actions.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser({ savesData: true })

const open = (person: Person, path: string) => windows.open(shared.node.url, path, { person })
const hasText = (page: Page, text: string) =>
  expect.poll(() => composer(page).inputValue(), { timeout: 10_000 }).toBe(text)
const drafts = async (person: Person) =>
  (await person.ask('listDrafts')).items.map(({ text }) => text).sort()

const abort = (route: Route) => route.abort()
const pass = (route: Route) => route.continue()

test('a draft as long as a message survives another chat, a reload and the way to another device, and is gone once sent', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id } = await alice.ask('createConversation', { body: { title: 'Elsewhere' } })
  const page = await open(alice, '/app/new')
  const text = `${'long text '.repeat(limits.messageBytes / 10 - 1)}end`
  await composer(page).fill(text)
  await navigateTo(page, `/app/c/${id}`)
  await hasText(page, '')
  await navigateTo(page, '/app/new')
  await hasText(page, text)
  await expect.poll(() => drafts(alice)).toEqual([text])
  await page.reload()
  await hasText(page, text)
  const other = await open(await alice.signIn(), '/app/new')
  await hasText(other, text)
  await composer(other).fill('A short text instead')
  await hasText(page, 'A short text instead')
  await composer(page).press('Enter')
  await hasText(other, '')
  await waitForVisible(threadText(page, 'A short text instead'))
  await expect.poll(() => drafts(alice)).toEqual([])
  expect(
    await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]),
  ).toEqual([0, 0, ''])
})

test('what was typed just before the page closed is there again', async () => {
  const alice = await signUp(shared.node, 'alice')
  const endings: [string, (page: Page) => Promise<unknown>][] = [
    ['closed', (page) => page.close()],
    ['reloaded', (page) => page.reload()],
    ['left', (page) => page.goto('about:blank')],
    ['pasted', (page) => page.close()],
  ]
  for (const [ending, end] of endings) {
    const { id } = await alice.ask('createConversation', { body: { title: ending } })
    const page = await open(alice, `/app/c/${id}`)
    await waitForVisible(page.getByText('Live on all devices').first())
    if (ending === 'pasted') await composer(page).fill(`${ending} `.repeat(25_000))
    else await composer(page).pressSequentially(`just ${ending}`)
    await end(page)
    const expected = ending === 'pasted' ? `${ending} `.repeat(25_000) : `just ${ending}`
    await expect.poll(() => drafts(alice), { message: ending }).toContain(expected)
  }
})

test('without a connection, closing the page warns, and the text arrives once the connection is back', async () => {
  const alice = await signUp(shared.node, 'alice')
  const wire = windows.keep(await Wire.to({ port: Number(new URL(shared.node.url).port) }))
  const page = await windows.open(`http://${wire.address}`, '/app/new', { person: alice })
  const losses: [string, (isLost: boolean) => unknown][] = [
    ['In the tunnel', (isLost) => (isLost ? wire.cut() : wire.restore())],
    ['On a plane', (isLost) => page.context().setOffline(isLost)],
    // What is open already stays open.
    [
      'At a new door',
      (isLost) => page.context().route('**/users/me/drafts/**', isLost ? abort : pass),
    ],
  ]
  for (const [text, lose] of losses) {
    await waitForVisible(page.getByText('Live on all devices').first())
    await waitForVisible(composer(page))
    await lose(true)
    const isNoticed =
      text === 'At a new door'
        ? page.waitForEvent('requestfailed', (failed) => failed.url().includes('/drafts/'))
        : waitForVisible(page.getByText('Offline').first())
    await composer(page).fill(text)
    await isNoticed
    const warned = new Promise<string>((resolve) =>
      page.once('dialog', (dialog) => {
        resolve(dialog.type())
        void dialog.dismiss()
      }),
    )
    await page.close({ runBeforeUnload: true })
    expect(await warned).toBe('beforeunload')
    await lose(false)
    await expect.poll(() => drafts(alice), { timeout: 20_000 }).toEqual([text])
  }
})

test('two devices that type at one place each keep their text and offer the other’s', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id } = await alice.ask('createConversation', { body: { title: 'Both' } })
  const left = await open(alice, `/app/c/${id}`)
  const right = await open(await alice.signIn(), `/app/c/${id}`)
  for (const page of [left, right])
    await waitForVisible(page.getByText('Live on all devices').first())
  await Promise.all([composer(left).fill('From the left'), composer(right).fill('From the right')])
  const offered = (page: Page) => page.getByRole('region', { name: 'Also written here' })
  await waitForVisible(offered(left).getByText('From the right'))
  await waitForVisible(offered(right).getByText('From the left'))
  await hasText(left, 'From the left')
  await hasText(right, 'From the right')
  await offered(left).getByRole('button', { name: 'Add to mine' }).click()
  await hasText(left, 'From the left\n\nFrom the right')
  await expect.poll(() => drafts(alice)).toHaveLength(1)
  await hasText(right, 'From the left\n\nFrom the right')
  // One device replaces the text while the other one has just written in it.
  await right.reload()
  await hasText(right, 'From the left\n\nFrom the right')
  await composer(left).fill('Left again')
  await hasText(right, 'Left again')
  await composer(right).fill('Right again')
  await waitForVisible(offered(left).getByText('Right again'))
  await hasText(left, 'Left again')
})

test('a message that two devices edit at once offers each of them the other’s text, and a title that is being typed isn’t lost when its field goes', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id } = await alice.ask('createConversation', {
    body: { title: 'Both', messages: [{ role: 'user', content: 'Words' }] },
  })
  const left = await open(alice, '/app/new')
  await navigateTo(left, `/app/c/${id}`)
  const right = await open(await alice.signIn(), `/app/c/${id}`)
  const edits = await Promise.all(
    [left, right].map(async (page) => {
      await waitForVisible(page.getByText('Live on all devices').first())
      await page.getByRole('article', { name: 'You' }).hover()
      await page.getByRole('button', { name: 'Edit', exact: true }).click()
      return page.getByRole('textbox', { name: 'Edit the message' })
    }),
  )
  await Promise.all([edits[0]!.fill('Words from the left'), edits[1]!.fill('Words from the right')])
  const offered = right.getByRole('region', { name: 'Also written here' })
  await waitForVisible(offered.getByText('Words from the left'))
  await offered.getByRole('button', { name: 'Add to mine' }).click()
  await expect
    .poll(() => edits[1]!.inputValue())
    .toBe('Words from the right\n\nWords from the left')

  const titleField = left.getByRole('textbox', { name: 'Chat title' })
  await left.getByRole('button', { name: 'Both, rename' }).click()
  await titleField.fill('Typed and not entered')
  await left.goBack()
  await waitForVisible(composer(left))
  const title = async () => (await alice.ask('getConversation', { params: { id } })).title
  await expect.poll(title).toBe('Typed and not entered')
  await left.goForward()
  await left.getByRole('button', { name: 'Typed and not entered, rename' }).click()
  await titleField.fill('Half a ti')
  const warned = new Promise<string>((resolve) =>
    left.once('dialog', (dialog) => {
      resolve(dialog.type())
      void dialog.dismiss()
    }),
  )
  await left.close({ runBeforeUnload: true })
  expect(await warned).toBe('beforeunload')
  await titleField.press('Escape')
  expect(await title()).toBe('Typed and not entered')
})

test('drafts that an earlier version kept in the preferences move to their own place', async () => {
  const alice = await signUp(shared.node, 'alice')
  const id = newId()
  await alice.ask('putPreferences', { body: { drafts: { new: 'An old text', [id]: 'Another' } } })
  const page = await open(alice, '/app/new')
  await hasText(page, 'An old text')
  await expect.poll(async () => (await alice.ask('getPreferences')).preferences.drafts).toEqual({})
  expect(await drafts(alice)).toEqual(['An old text', 'Another'])
})

test('a file that is dropped anywhere leaves the page and its text where they are', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await open(alice, '/app/new')
  await composer(page).fill('Still here')
  const prevented = await page.evaluate(() =>
    ['main', 'textarea', 'body'].map((place) => {
      const dataTransfer = new DataTransfer()
      dataTransfer.items.add(new File(['x'], 'notes.txt'))
      const events = ['dragover', 'drop'].map(
        (type) => new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }),
      )
      for (const event of events) document.querySelector(place)!.dispatchEvent(event)
      return events.map(({ defaultPrevented }) => defaultPrevented)
    }),
  )
  expect(prevented.flat()).toEqual(Array<boolean>(6).fill(true))
  await hasText(page, 'Still here')
})
