// Content cannot run script in the reader's page. The tests use known payloads as messages of every
// role and as titles.
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { appPages, fillAccount } from './app-pages.ts'
import { sharedBrowser } from './browser-windows.ts'
import { navigateTo, waitForVisible } from './user-actions.ts'
import { payloads } from './xss-payloads.ts'

const shared = sharedNodes()
const windows = sharedBrowser({ savesData: true })

declare global {
  interface Window {
    /** What payloads passed to `alert`: each entry is a script that ran. */
    alerts?: string[]
  }
}

test('no known payload runs script, makes a request, or leaves a handler or a dangerous address in the page', async () => {
  const alice = await signUp(shared.node, 'alice')
  const roles = ['assistant', 'user', 'system', 'tool'] as const
  const messages = payloads.map((content, index) => ({ role: roles[index % 4]!, content }))
  const all = { role: 'assistant' as const, content: payloads.join('\n\n') }
  const { id } = await alice.ask('createConversation', {
    body: { title: payloads[0], messages: [...messages, all] },
  })
  for (const content of payloads.slice(0, 12))
    await alice.ask('createConversation', {
      body: { title: content.slice(0, 400), messages: [{ role: 'assistant', content }] },
    })

  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await page.exposeFunction('alert', (text: unknown) =>
    page.evaluate((text) => (window.alerts ??= []).push(text), String(text)),
  )
  const foreignRequests: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(shared.node.url)) foreignRequests.push(request.url())
  })
  await page.goto(`${shared.node.url}/app/c/${id}`)
  const region = page.getByRole('region', { name: 'Messages' })
  await waitForVisible(region.getByRole('listitem').last())
  // Scroll through the whole thread, because only the rows near the viewport are rendered.
  const dangerous = await region.evaluate(async (scroller) => {
    const found = new Set<string>()
    const inspect = () => {
      for (const element of scroller.querySelectorAll('*')) {
        for (const { name, value } of element.attributes) {
          if (name.startsWith('on') || name === 'style' || name === 'srcdoc')
            found.add(`${element.tagName} ${name}=${value}`)
          if (
            /^(href|src|action|formaction|xlink:href)$/.test(name) &&
            !/^(https?:|mailto:|\/)/i.test(value)
          )
            found.add(`${element.tagName} ${name}=${value}`)
        }
        if (
          /^(script|iframe|object|embed|form|meta|link|base|img|video|audio|style|math)$/i.test(
            element.tagName,
          )
        )
          found.add(element.outerHTML.slice(0, 200))
      }
    }
    for (let at = 0; at < scroller.scrollHeight; at += scroller.clientHeight / 2) {
      scroller.scrollTop = at
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
      inspect()
      for (const link of scroller.querySelectorAll<HTMLElement>('a'))
        link.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }))
    }
    return [...found]
  })
  expect(dangerous.filter((text) => !/^(DIV|OL|LI|TABLE) style=/.test(text))).toEqual([])
  expect(await page.evaluate(() => window.alerts ?? [])).toEqual([])
  expect(foreignRequests).toEqual([])
})

test('every page works under a Content-Security-Policy without inline scripts and inline styles', async () => {
  const alice = await signUp(shared.node, 'alice')
  const ids = await fillAccount(alice)
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  const { headers } = await fetch(shared.node.url)
  expect(headers.get('content-security-policy')).not.toContain('unsafe')
  for (const { path, ready } of appPages(ids)) {
    await navigateTo(page, path)
    await waitForVisible(ready(page))
  }
  await page.getByRole('button', { name: /^Account of/ }).click()
  await waitForVisible(page.getByRole('menuitem', { name: 'Sign out' }))
  await page.keyboard.press('Escape')
  await page.keyboard.press('Control+k')
  await waitForVisible(page.getByRole('combobox', { name: 'Search chats and commands' }))
})
