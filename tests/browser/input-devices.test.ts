// Every language, keyboard, paper and colour scheme: what a person sees and where the focus is.
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { appPages, fillAccount } from './app-pages.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import {
  composer,
  listedConversation,
  navigateTo,
  sendMessage,
  waitForReply,
  waitForVisible,
} from './user-actions.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser({ savesData: true })

/** The tag and the accessible name of the focused element. */
const focused = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const element = document.activeElement
    const name = element?.getAttribute('aria-label') ?? element?.textContent?.trim().slice(0, 30)
    return `${element?.tagName.toLowerCase()} ${name}`
  })

test('G1: each text finds its own direction, and long words of any script stay in their place', async () => {
  const alice = await signUp(shared.node, 'alice')
  const hebrew = 'שלום לכולם'
  const { id } = await alice.ask('createConversation', {
    body: {
      title: hebrew,
      messages: [
        { role: 'user', content: 'ก'.repeat(3_000) },
        { role: 'assistant', content: `${'語'.repeat(2_000)}\n\n${'x'.repeat(2_000)}` },
        { role: 'user', content: `${hebrew}\nEnglish after it` },
        { role: 'assistant', content: `${hebrew} \`x = 1\`\n\nEnglish paragraph\n\n- ${hebrew}` },
      ],
    },
  })
  const page = await windows.open(shared.node.url, `/app/c/${id}`, { person: alice })
  const messages = page.getByRole('region', { name: 'Messages' })
  await waitForVisible(messages.getByText('English paragraph'))
  const directionOf = (text: string) =>
    messages
      .getByText(text)
      .first()
      .evaluate((element) => getComputedStyle(element).direction)
  await expect.poll(() => directionOf('English paragraph')).toBe('ltr')
  // code within a text keeps its own order
  await expect.poll(() => directionOf('x = 1')).toBe('ltr')
  expect(
    await messages
      .getByRole('listitem')
      .filter({ hasText: hebrew })
      .last()
      .evaluate((element) => getComputedStyle(element).direction),
  ).toBe('rtl')
  const title = page.getByRole('button', { name: `${hebrew}, rename` })
  expect(await title.evaluate((element) => getComputedStyle(element).direction)).toBe('rtl')
  await composer(page).fill(hebrew)
  expect(await composer(page).evaluate((area) => getComputedStyle(area).direction)).toBe('rtl')
  const tooWide = await messages.evaluate((region) => region.scrollWidth - region.clientWidth)
  expect(tooWide).toBeLessThanOrEqual(0)
})

test('G2: the Enter that ends a composition sends nothing', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app/new', { person: alice })
  await composer(page).fill('にほん')
  for (const init of [{ isComposing: true }, { keyCode: 229 }])
    await composer(page).evaluate((area, more) => {
      const options = { key: 'Enter', bubbles: true, cancelable: true, ...more }
      area.dispatchEvent(new KeyboardEvent('keydown', options))
    }, init)
  await expect.poll(() => composer(page).inputValue()).toBe('にほん')
  expect(new URL(page.url()).pathname).toBe('/app/new')
  await composer(page).press('Enter')
  await page.waitForURL(/\/app\/c\//)
})

/** A conversation with more messages than one page of the server holds. */
async function longConversation(person: Awaited<ReturnType<typeof signUp>>): Promise<string> {
  const { id } = await person.ask('createConversation', {
    body: {
      title: 'Long',
      messages: Array.from({ length: 260 }, (_, at) => ({
        role: at % 2 ? ('assistant' as const) : ('user' as const),
        content: at === 40 ? 'The blue heron stands there' : `Message ${at + 1}`,
      })),
    },
  })
  return id
}

test('G3, G5: the first message can be reached, and paper shows the whole thread and nothing to press', async () => {
  const alice = await signUp(shared.node, 'alice')
  const id = await longConversation(alice)
  const page = await windows.open(shared.node.url, `/app/c/${id}`, { person: alice })
  const messages = page.getByRole('region', { name: 'Messages' })
  await waitForVisible(messages.getByText('Message 260', { exact: true }))
  await messages.hover()
  await page.mouse.wheel(0, -800)
  await page.getByRole('button', { name: 'First message' }).click()
  await waitForVisible(messages.getByText('Message 1', { exact: true }))
  await expect.poll(() => focused(page)).toMatch(/^li /)

  await alice.ask('putPreferences', { body: { theme: 'dark' } })
  await waitForVisible(page.locator('html[data-theme=dark]'))
  await page.emulateMedia({ media: 'print' })
  const scheme = () => page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)
  expect(await scheme(), 'paper is light').toBe('light')
  await expect.poll(() => messages.getByRole('article').count()).toBe(260)
  await expect.poll(() => page.getByRole('complementary').isVisible()).toBe(false)
  await expect.poll(() => composer(page).isVisible()).toBe(false)
  await expect
    .poll(() => page.getByRole('button').filter({ visible: true }).count())
    .toBeLessThanOrEqual(1)
  const height = await page.evaluate(() => document.documentElement.scrollHeight)
  expect(height).toBeGreaterThan(260 * 20)
  expect((await page.pdf()).length).toBeGreaterThan(10_000)
})

test('G3: on paper, what only opens by a press is open, whether or not its code was here, and marks keep their ink', async () => {
  const alice = await signUp(shared.node, 'alice')
  const answer = (number: number) => ({
    role: 'assistant' as const,
    content: `- [x] done ${number}`,
    metadata: { sources: [{ url: `https://example.com/${number}`, title: `Source ${number}` }] },
  })
  const messages = Array.from({ length: 40 }, (_, at) =>
    at % 2 === 0 ? { role: 'user' as const, content: 'line\n'.repeat(9) } : answer(at),
  )
  const { id } = await alice.ask('createConversation', { body: { messages } })
  const page = await windows.open(shared.node.url, '/healthz', { person: alice })
  await page.addInitScript(() => {
    // As a browser's own menu does it: nobody waits for anything between the two.
    Object.assign(window, {
      print: () => {
        dispatchEvent(new Event('beforeprint'))
        document.documentElement.dataset.sources = String(
          document.querySelectorAll('.note a').length,
        )
        dispatchEvent(new Event('afterprint'))
      },
    })
  })
  await page.goto(`${shared.node.url}/app/c/${id}`)
  await waitForVisible(page.getByText('done 39'))
  await page.keyboard.press('Control+P')
  await expect.poll(() => page.locator('html').getAttribute('data-sources')).toBe('20')

  await page.emulateMedia({ media: 'print' })
  const source = page.locator('.note a').first()
  await expect
    .poll(() => source.evaluate((link) => link.checkVisibility({ contentVisibilityAuto: true })))
    .toBe(true)
  expect(
    await page.evaluate(() => ({
      address: getComputedStyle(document.querySelector('.note a')!, '::after').content,
      mark: getComputedStyle(document.querySelector('.task-mark')!).printColorAdjust,
      edge: getComputedStyle(document.querySelector('.user .body')!).borderTopStyle,
    })),
  ).toEqual({
    address: expect.stringContaining('https://example.com/1'),
    ...{ mark: 'exact', edge: 'solid' },
  })
})

test('G3: on any page, nothing leaves its card at 768 pixels, and forced colours keep every edge', async () => {
  const alice = await signUp(shared.node, 'alice')
  const ids = await fillAccount(alice)
  const page = await windows.open(shared.node.url, '/app', {
    person: alice,
    viewport: { width: 768, height: 1024 },
  })
  for (const { name, path, ready } of appPages(ids)) {
    await navigateTo(page, path)
    await waitForVisible(ready(page))
    const leaving = await page.evaluate(() => {
      const isClipped = (element: Element) => {
        for (let at: Element | null = element; at; at = at.parentElement)
          if (getComputedStyle(at).overflowX !== 'visible' && at.id !== 'main') return true
        return false
      }
      const main = document.querySelector('#main')!.getBoundingClientRect()
      return [...document.querySelectorAll('#main *')]
        .filter((element) => element.checkVisibility() && !element.closest('.visually-hidden, svg'))
        .filter((element) => {
          const box = element.getBoundingClientRect()
          if (box.width === 0 || isClipped(element)) return false
          const card = element.parentElement!.closest('.card, .panel, section, li, main')!
          const frame = card.getBoundingClientRect()
          return box.right > Math.min(frame.right, main.right) + 1 || box.left < frame.left - 9
        })
        .map((element) => `${element.tagName}.${element.className} ${element.textContent}`)
        .map((text) => text.slice(0, 80))
    })
    expect([name, leaving]).toEqual([name, []])
    expect([name, await withoutEdges(page)]).toEqual([name, []])
  }
})

/** Elements whose edge is only a shadow, which forced colours drop, with no border in its place. */
async function withoutEdges(page: Page): Promise<string[]> {
  await page.evaluate(() => {
    for (const element of document.querySelectorAll<HTMLElement>('body *'))
      if (
        getComputedStyle(element).boxShadow.includes('0px 0px 0px 1px') &&
        element.checkVisibility()
      )
        element.dataset.edged = ''
  })
  await page.emulateMedia({ forcedColors: 'active' })
  const edgeless = await page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('[data-edged]')]
      .filter((element) => getComputedStyle(element).borderTopStyle === 'none')
      .map(({ tagName, className }) => `${tagName}.${className}`),
  )
  await page.emulateMedia({ forcedColors: 'none' })
  return [...new Set(edgeless)]
}

test('G4: lists move by arrow keys, the composer is near, and the focus never falls out of the page', async () => {
  const alice = await signUp(shared.node, 'alice')
  const ids = await fillAccount(alice)
  for (let at = 0; at < 30; at++)
    await alice.ask('createConversation', { body: { title: `Chat ${at}` } })
  const page = await windows.open(shared.node.url, `/app/c/${ids.conversationId}`, {
    person: alice,
  })
  await waitForVisible(page.getByText('Sow a little every two weeks').first())
  await page.getByRole('searchbox').focus()
  await page.keyboard.press('ArrowDown')
  await expect.poll(() => focused(page)).toMatch(/^a /)
  const first = await focused(page)
  await page.keyboard.press('ArrowDown')
  await expect.poll(() => focused(page)).not.toBe(first)
  await page.keyboard.press('ArrowUp')
  await expect.poll(() => focused(page)).toBe(first)
  let stops = 0
  while (!(await focused(page)).startsWith('textarea') && stops < 100) {
    await page.keyboard.press('Tab')
    stops += 1
  }
  expect(stops).toBeLessThan(25)

  // the editor, the versions and the title give the focus back
  await page.getByRole('button', { name: 'Edit', exact: true }).last().click()
  await page.getByRole('textbox', { name: 'Edit the message' }).press('Escape')
  await expect.poll(() => focused(page)).toBe('button Edit')
  await page.getByRole('button', { name: 'Regenerate' }).last().click()
  await waitForVisible(page.getByLabel('Version 2 of 2'))
  await waitForReply(page)
  await page.getByRole('button', { name: 'Earlier version' }).click()
  await waitForVisible(page.getByLabel('Version 1 of 2'))
  await expect.poll(() => focused(page)).toBe('button Earlier version')
})

test('G4: Stop and Escape end a reply, and the focus stays in the composer', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app/new', { person: alice })
  for (const stop of ['button', 'Escape']) {
    await sendMessage(page, '/demo code rate 4')
    await waitForVisible(page.getByTestId('streaming'))
    if (stop === 'Escape') await page.keyboard.press('Escape')
    else await page.getByRole('button', { name: 'Stop the reply' }).click()
    await waitForVisible(page.getByText('Stopped').last())
    await expect.poll(() => focused(page)).toBe('textarea Message')
    await waitForVisible(page.getByRole('button', { name: 'Send' }))
    await page.waitForURL(/\/app\/c\//)
  }
})

test('G5: the thread stays at its end while the composer grows and a reply is written', async () => {
  const alice = await signUp(shared.node, 'alice')
  const id = await longConversation(alice)
  const page = await windows.open(shared.node.url, `/app/c/${id}`, { person: alice })
  const messages = page.getByRole('region', { name: 'Messages' })
  await waitForVisible(messages.getByText('Message 260', { exact: true }))
  const rest = () =>
    messages.evaluate(({ scrollHeight, scrollTop, clientHeight }) =>
      Math.round(scrollHeight - scrollTop - clientHeight),
    )
  await composer(page).focus()
  for (let line = 0; line < 8; line++) {
    await page.keyboard.insertText('some words in a line')
    await page.keyboard.press('Shift+Enter')
    await expect.poll(rest).toBeLessThanOrEqual(24)
  }
  await expect.poll(() => page.getByRole('button', { name: 'Latest' }).count()).toBe(0)
  await composer(page).fill('/demo markdown')
  await composer(page).press('Enter')
  await waitForReply(page)
  await expect.poll(rest).toBeLessThanOrEqual(24)
})

test('G6: a search hit opens at its message, also far back', async () => {
  const alice = await signUp(shared.node, 'alice')
  await longConversation(alice)
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await waitForVisible(listedConversation(page, 'Long'))
  await page.getByRole('searchbox').fill('blue heron')
  await waitForVisible(listedConversation(page, 'Long').locator('mark').first())
  await listedConversation(page, 'Long').click()
  const match = page.getByRole('region', { name: 'Messages' }).getByText('The blue heron')
  await waitForVisible(match)
  await expect
    .poll(() =>
      match.evaluate((element) => {
        const { top, bottom } = element.getBoundingClientRect()
        return top > 0 && bottom < innerHeight
      }),
    )
    .toBe(true)
})

test('G7: the agent is chosen per chat, on every device, and other chats keep theirs', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { conversationId } = await fillAccount(alice)
  const [page, other] = [
    await windows.open(shared.node.url, `/app/c/${conversationId}`, { person: alice }),
    await windows.open(shared.node.url, `/app/c/${conversationId}`, { person: alice }),
  ]
  const agentButton = (of: Page, name: string) => of.getByRole('button', { name: `Agent: ${name}` })
  await agentButton(page, 'Demo').click()
  await page.getByRole('menuitemradio', { name: 'Editor' }).click()
  await waitForVisible(agentButton(page, 'Editor'))
  await waitForVisible(agentButton(other, 'Editor'))
  await sendMessage(other, '/demo code')
  await expect
    .poll(async () => {
      const { messages } = await alice.ask('getConversation', { params: { id: conversationId } })
      return messages.at(-1)?.metadata.agent
    })
    .toBe('0199aaaa-0000-7000-8000-000000000001')

  await navigateTo(page, '/app/new')
  await agentButton(page, 'Demo').click()
  await page.getByRole('menuitemradio', { name: 'Editor' }).click()
  await sendMessage(page, '/demo code')
  await waitForReply(page)
  await waitForVisible(agentButton(page, 'Editor'))
  await navigateTo(page, '/app/new')
  await waitForVisible(agentButton(page, 'Demo'))
})

test('G8: formulas are rendered when first needed, under the unchanged policy; an amount of money isn’t one', async () => {
  const alice = await signUp(shared.node, 'alice')
  const content = [
    'Inline \\(a^2 + b^2 = c^2\\) and',
    '\\[\\int_0^1 x\\,dx = \\frac12\\]',
    '$$\\sqrt{2}$$',
    'It costs $5, or $$6 for two. `\\(code\\)` stays, and \\(\\undefinedmacro\\) is readable.',
  ].join('\n\n')
  const { id } = await alice.ask('createConversation', {
    body: { messages: [{ id: newId(), role: 'assistant', content }] },
  })
  const page = await windows.open(shared.node.url, `/app/c/${id}`, { person: alice })
  await expect.poll(() => page.locator('.math .katex').count()).toBe(3)
  await waitForVisible(page.getByText('It costs $5, or $$6 for two.'))
  await waitForVisible(page.getByText('\\(code\\)'))
  await waitForVisible(page.getByText('\\(\\undefinedmacro\\)'))
  const font = await page
    .locator('.katex .mord')
    .first()
    .evaluate((element) => getComputedStyle(element).fontFamily)
  expect(font).toContain('KaTeX')
})
