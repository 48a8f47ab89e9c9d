// What others wrote can't run script in the reader's page: known payloads, as message of every role, as title, name and run.
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { sharedBrowser } from './browser-windows.ts'
import { shows } from './user-actions.ts'
import { everyPage, fill } from './all-pages.ts'
import { payloads } from './xss-payloads.ts'

const shared = sharedNodes()
const windows = sharedBrowser()

declare global {
  interface Window {
    ran?: string[]
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
    page.evaluate((said) => (window.ran ??= []).push(said), String(text)),
  )
  const foreign: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(shared.node.url)) foreign.push(request.url())
  })
  await page.goto(`${shared.node.url}/app/c/${id}`)
  const region = page.getByRole('region', { name: 'Messages' })
  await shows(region.getByRole('listitem').last())
  // Through the whole thread: rows stand in the page only near the viewport.
  const left = await region.evaluate(async (scroller) => {
    const bad = new Set<string>()
    const look = () => {
      for (const element of scroller.querySelectorAll('*')) {
        for (const { name, value } of element.attributes) {
          if (name.startsWith('on') || name === 'style' || name === 'srcdoc')
            bad.add(`${element.tagName} ${name}=${value}`)
          if (
            /^(href|src|action|formaction|xlink:href)$/.test(name) &&
            !/^(https?:|mailto:|\/)/i.test(value)
          )
            bad.add(`${element.tagName} ${name}=${value}`)
        }
        if (
          /^(script|iframe|object|embed|form|meta|link|base|img|video|audio|style|math)$/i.test(
            element.tagName,
          )
        )
          bad.add(element.outerHTML.slice(0, 200))
      }
    }
    for (let at = 0; at < scroller.scrollHeight; at += scroller.clientHeight / 2) {
      scroller.scrollTop = at
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
      look()
      for (const link of scroller.querySelectorAll<HTMLElement>('a'))
        link.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }))
    }
    return [...bad]
  })
  expect(left.filter((text) => !/^(DIV|OL|LI) style=/.test(text))).toEqual([])
  expect(await page.evaluate(() => window.ran ?? [])).toEqual([])
  expect(foreign).toEqual([])
})

test('a policy that allows no inline script and no inline style is enough for every page', async () => {
  const alice = await signUp(shared.node, 'alice')
  const { id, run } = await fill(alice)
  const page = await windows.open(shared.node.url, '/healthz', { person: alice })
  const { headers } = await fetch(shared.node.url)
  expect(headers.get('content-security-policy')).not.toContain('unsafe')
  for (const { path, ready } of everyPage(id, run)) {
    await page.goto(shared.node.url + path)
    await shows(ready(page))
  }
  await page.getByRole('button', { name: /^Account of/ }).click()
  await shows(page.getByRole('menuitem', { name: 'Sign out' }))
  await page.keyboard.press('Escape')
  await page.keyboard.press('Control+k')
  await shows(page.getByRole('combobox', { name: 'Search chats and commands' }))
})
