// Chats that only devices with the passphrase can read. Everything that the pages send is recorded,
// and the node's folder and log are searched: no word of such a chat is anywhere.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { createEngine } from '@lockstep/client'
import { passphraseEncryption } from '@lockstep/client/encryption'
import arabic from '../../ui/texts/ar.json' with { type: 'json' }
import { temporaryDirectory } from '../embedded/database.ts'
import { spawnNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { violations } from './accessibility-violations.ts'
import { desktop, phone, sharedBrowser } from './browser-windows.ts'
import {
  composer,
  listedConversation,
  navigateTo,
  sendMessage,
  signInAs,
  threadText,
  waitForHidden,
  waitForVisible,
} from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser({ savesData: true })
const passphrase = 'five quiet herons at dusk'
/** Part of everything that is written into an encrypted chat. */
const secret = 'zugvogel'
const words = [secret, passphrase, 'quiet herons']

/** The requests and socket frames of all pages, as text. */
function record(page: Page, sent: string[]): void {
  page.on('request', (request) => sent.push(request.url(), request.postData() ?? ''))
  page.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => sent.push(String(payload)))
  })
}

function filesWith(folder: string, word: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
    .filter((path) => readFileSync(path, 'latin1').includes(word))
}

const dialog = (page: Page): Locator =>
  page.getByRole('alertdialog', { name: 'Encrypt this chat with a passphrase?' })
const locked = (page: Page): Locator => page.getByRole('heading', { name: 'This chat is locked' })

/** What the page keeps in the browser, where another person of this computer may find it. */
const keptBy = (page: Page) =>
  page.evaluate(async () => [
    localStorage.length,
    sessionStorage.length,
    await indexedDB.databases(),
    await caches.keys(),
  ])

/** From the page of a new chat to an empty encrypted chat. Returns its id. */
async function createEncrypted(page: Page): Promise<string> {
  await page.getByRole('button', { name: 'Encrypt with a passphrase' }).click()
  await page.getByLabel('Passphrase', { exact: true }).fill(passphrase)
  await page.getByLabel('Passphrase again').fill(passphrase)
  await page.getByRole('button', { name: 'Create encrypted chat' }).click()
  await page.waitForURL(/\/app\/c\//)
  await waitForVisible(page.getByText('Encrypted: no replies here'))
  return page.url().split('/').at(-1)!
}

async function unlock(page: Page, typed = passphrase): Promise<void> {
  await page.getByLabel('Passphrase', { exact: true }).fill(typed)
  await page.getByRole('button', { name: 'Unlock' }).click()
}

async function chooseFromMenu(page: Page, item: string): Promise<void> {
  await page.getByRole('button', { name: 'Chat actions' }).click()
  await page.getByRole('menuitem', { name: item, exact: true }).click()
}

/** A program on another machine writes an answer of parts. */
async function addParts(node: { url: string }, person: Person, id: string): Promise<void> {
  const { token } = await person.ask('createToken', { body: { name: 'Program' } })
  const encryption = passphraseEncryption
  const engine = createEngine({ origin: node.url, token: () => token, encryption })
  await engine.start()
  const { conversations } = engine
  expect(await conversations.encrypted!.unlock(id, passphrase)).toBe('unlocked')
  const { outcome } = conversations.append(id, {
    role: 'assistant',
    parts: [
      { id: secret, type: 'reasoning', text: `${secret} thought` },
      {
        ...{ id: 't', type: 'tool', name: `${secret} tool`, call_id: secret, state: 'done' },
        ...{ arguments: { [secret]: 'argument' }, result: `${secret} result` },
      },
      { id: 'text', type: 'text', text: `${secret} found` },
      { id: 's', type: 'source', url: `https://example.org/${secret}`, title: `${secret} source` },
    ],
  })
  expect(await outcome).toMatchObject({ ok: true })
  await engine.stop()
}

test('A: a chat that one device encrypts is read by another one with its passphrase only, and no word of it leaves them', async () => {
  const directory = windows.keep(await temporaryDirectory())
  const node = windows.keep(
    await spawnNode({ url: '' }, { MONGODB_URL: undefined, DATA_DIR: directory.path }),
  )
  const alice = await signUp(node, 'alice')
  const sent: string[] = []
  const open = async (person: Person, path: string) => {
    const page = await windows.open(node.url, '/healthz', { person, isNew: true })
    record(page, sent)
    await page.goto(node.url + path)
    return page
  }

  // the dialog says beforehand what is lost and what is off, and asks twice
  const left = await open(alice, '/app/new')
  await composer(left).fill('Typed before')
  await left.getByRole('button', { name: 'Encrypt with a passphrase' }).click()
  for (const said of [
    'If you lose the passphrase, the text is lost for good.',
    'The server can’t search this chat, and it writes no replies in it.',
    'What you have already typed stays behind as a draft',
  ])
    await waitForVisible(dialog(left).getByText(said))
  const create = dialog(left).getByRole('button', { name: 'Create encrypted chat' })
  const [first, again] = [
    left.getByLabel('Passphrase', { exact: true }),
    left.getByLabel('Passphrase again'),
  ]
  await first.fill('too short')
  await again.fill('too short')
  await create.click()
  await waitForVisible(dialog(left).getByText('Use at least 12 characters.'))
  await first.fill(passphrase)
  await again.fill(`${passphrase}!`)
  await create.click()
  await waitForVisible(dialog(left).getByText('These two aren’t the same.'))
  await dialog(left).getByRole('button', { name: 'Cancel' }).click()
  const id = await createEncrypted(left)
  await expect.poll(() => left.getByRole('button', { name: /^Agent:/ }).count()).toBe(0)
  await sendMessage(left, `${secret} one`)
  await waitForVisible(threadText(left, `${secret} one`))
  await waitForVisible(listedConversation(left, `${secret} one`))
  expect(await left.title()).toBe('Encrypted chat · Lockstep')

  // another device: a placeholder, a wrong passphrase, and then the texts, live
  const right = await open(await alice.signIn(), `/app/c/${id}`)
  await waitForVisible(locked(right))
  await waitForVisible(listedConversation(right, 'Encrypted chat').getByText('Locked'))
  await expect.poll(() => right.getByText(secret).count()).toBe(0)
  await expect.poll(() => composer(right).count()).toBe(0)
  await unlock(right, 'not the passphrase')
  await waitForVisible(right.getByText('That’s not the passphrase of this chat.'))
  await unlock(right)
  await waitForVisible(threadText(right, `${secret} one`))
  await waitForVisible(
    listedConversation(right, `${secret} one`).getByText('Unlocked on this device'),
  )
  await sendMessage(right, `${secret} two`)
  await waitForVisible(threadText(left, `${secret} two`))
  await composer(left).fill(`${secret} draft`)
  await expect.poll(() => composer(right).inputValue()).toBe(`${secret} draft`)
  await composer(left).fill('')
  await left.getByRole('article', { name: 'You' }).first().hover()
  await left.getByRole('button', { name: 'Edit', exact: true }).first().click()
  await left.getByRole('textbox', { name: 'Edit the message' }).fill(`${secret} reworded`)
  await expect.poll(async () => (await alice.ask('listDrafts')).items.length).toBe(2)
  await left.getByRole('button', { name: 'Save only' }).click()
  await waitForVisible(threadText(right, `${secret} reworded`))
  await left.getByRole('button', { name: /, rename$/ }).click()
  await left.getByRole('textbox', { name: 'Chat title' }).fill(`${secret} renamed`)
  await left.keyboard.press('Enter')
  await waitForVisible(listedConversation(right, `${secret} renamed`))

  // what a program adds in parts: thoughts, a tool and a source, in its order
  await addParts(node, alice, id)
  const answer = right.getByRole('article', { name: 'Assistant' })
  await answer.getByText('Thoughts', { exact: true }).click()
  await waitForVisible(answer.getByText(`${secret} thought`))
  const tool = answer.locator('[data-part=tool]')
  await tool.getByText(`${secret} tool`).click()
  for (const said of ['argument', 'result']) await waitForVisible(tool.getByText(said))
  await waitForVisible(answer.getByText(`${secret} found`))
  await waitForVisible(answer.getByRole('link', { name: `${secret} source` }))

  // what the server can't do, it says: no search, no Markdown; the history is read here
  await left.getByRole('searchbox').fill('nothing of it')
  await waitForVisible(left.getByText('The texts of encrypted chats aren’t searched.'))
  await left.getByRole('searchbox').fill('')
  await chooseFromMenu(left, 'Download as Markdown')
  await waitForVisible(left.getByText('An encrypted chat can’t be downloaded as Markdown'))
  await chooseFromMenu(left, 'History')
  await left
    .getByRole('button', { name: /^Edited a message/ })
    .first()
    .click()
  await waitForVisible(
    left.getByRole('region', { name: 'This version' }).getByText(`${secret} two`),
  )
  await left.getByRole('button', { name: 'Branch from here' }).click()
  await waitForVisible(left.getByRole('heading', { name: /\(branch\)/ }))
  await waitForVisible(threadText(left, `${secret} two`))
  const branch = left.url().split('/').at(-1)!
  expect(branch).not.toBe(id)
  await navigateTo(right, `/app/c/${branch}`)
  await unlock(right)
  await waitForVisible(threadText(right, `${secret} two`))

  // locked again: by its menu, and by a reload
  await navigateTo(left, `/app/c/${id}`)
  await waitForVisible(threadText(left, `${secret} two`))
  await chooseFromMenu(left, 'Lock')
  await waitForVisible(locked(left))
  await waitForHidden(listedConversation(left, `${secret} renamed`))
  await right.reload()
  await waitForVisible(locked(right))
  await expect.poll(() => right.getByText(secret).count()).toBe(0)

  const all = sent.join('\n')
  expect(all).toContain('enc1.')
  expect(all).toContain('Typed before')
  for (const word of words) expect(all.includes(word), word).toBe(false)
  for (const page of [left, right]) expect(await keptBy(page)).toEqual([0, 0, [], []])
  expect(filesWith(directory.path, 'Typed before').length).toBeGreaterThan(0)
  for (const word of words) {
    expect(filesWith(directory.path, word)).toEqual([])
    expect(node.process.output.join('\n').includes(word), word).toBe(false)
  }
}, 120_000)

test('A: conflicts of encrypted texts show both, and what was written for a chat that is gone never becomes a draft that the server can read', async () => {
  const alice = await signUp(shared.node, 'alice')
  const left = await windows.open(shared.node.url, '/app/new', {
    person: await alice.signIn(),
  })
  await left.getByRole('button', { name: 'Encrypt with a passphrase' }).click()
  await waitForVisible(dialog(left))
  expect(await violations(left)).toEqual([])
  await left.keyboard.press('Escape')
  const id = await createEncrypted(left)
  await sendMessage(left, `${secret} one`)
  await waitForVisible(listedConversation(left, `${secret} one`))
  const right = await windows.open(shared.node.url, `/app/c/${id}`, {
    person: await alice.signIn(),
  })
  await waitForVisible(locked(right))
  expect(await violations(right)).toEqual([])
  await unlock(right)
  await waitForVisible(threadText(right, `${secret} one`))

  for (const page of [left, right]) {
    await page.getByRole('article', { name: 'You' }).hover()
    await page.getByRole('button', { name: 'Edit', exact: true }).click()
  }
  const save = async (page: Page, text: string) => {
    await page.getByRole('textbox', { name: 'Edit the message' }).fill(text)
    await page.getByRole('button', { name: 'Save only' }).click()
  }
  await save(right, `${secret} theirs`)
  await waitForVisible(threadText(right, `${secret} theirs`))
  await expect.poll(async () => (await alice.ask('listDrafts')).items).toEqual([])
  await save(left, `${secret} mine`)
  const question = left.getByRole('alertdialog', { name: 'Changed on another device' })
  for (const text of ['theirs', 'mine'])
    await waitForVisible(question.getByText(`${secret} ${text}`))
  await question.getByRole('button', { name: 'Replace with mine' }).click()
  await waitForVisible(threadText(right, `${secret} mine`))

  // both names, as the device that lost the race reads them
  const retitle = async (page: Page, title: string) => {
    await page.getByRole('button', { name: /, rename$/ }).click()
    await page.getByRole('textbox', { name: 'Chat title' }).fill(title)
  }
  await retitle(left, `${secret} my name`)
  await retitle(right, `${secret} their name`)
  await right.keyboard.press('Enter')
  await waitForVisible(listedConversation(left, `${secret} their name`))
  await left.keyboard.press('Enter')
  const names = left.getByRole('alertdialog', { name: 'Renamed on another device' })
  for (const name of ['their', 'my'])
    await waitForVisible(names.getByText(`${secret} ${name} name`))
  await names.getByRole('button', { name: 'Use mine' }).click()
  await waitForVisible(listedConversation(right, `${secret} my name`))

  // whoever signs out takes the key along, so the same page asks for the passphrase again
  await left.getByRole('button', { name: /^Account of/ }).click()
  await left.getByRole('menuitem', { name: 'Sign out' }).click()
  await waitForVisible(left.getByText('You’re signed out. Nothing of yours is left'))
  await signInAs(left, alice.user.username, alice.password)
  await navigateTo(left, `/app/c/${id}`)
  await waitForVisible(locked(left))
  await waitForVisible(listedConversation(left, 'Encrypted chat').getByText('Locked'))
  await expect.poll(() => left.getByText(secret).count()).toBe(0)
  await unlock(left)
  await waitForVisible(threadText(left, `${secret} mine`))

  await composer(left).fill(`${secret} unsent`)
  await expect.poll(() => composer(right).inputValue()).toBe(`${secret} unsent`)
  await alice.ask('deleteConversation', { params: { id } })
  await alice.ask('purgeConversation', { params: { id } })
  await waitForVisible(left.getByRole('heading', { name: 'This chat no longer exists' }))
  await waitForVisible(left.getByText(`${secret} unsent`))
  await expect.poll(() => left.getByRole('button', { name: 'Use in a new chat' }).count()).toBe(0)
  await left.getByRole('button', { name: 'Copy the draft' }).click()
  await waitForVisible(left.getByText('Copied', { exact: true }))
  await navigateTo(left, '/app/new')
  await expect.poll(() => composer(left).inputValue()).toBe('')
  expect(JSON.stringify(await alice.ask('listDrafts'))).not.toContain(secret)
}, 60_000)

test('A: whoever unlocks a chat goes on in it: the focus stays in the thread, on a phone too', async () => {
  const alice = await signUp(shared.node, 'alice')
  await alice.ask('putPreferences', { body: { language: 'ar' } })
  const writer = await windows.open(shared.node.url, '/app/new', { person: alice })
  await writer.getByRole('button', { name: arabic.newChat.encrypt }).click()
  await writer.getByLabel(arabic.encrypted.passphrase, { exact: true }).fill(passphrase)
  await writer.getByLabel(arabic.encrypted.repeat).fill(passphrase)
  await writer.getByRole('button', { name: arabic.encrypted.create }).click()
  await writer.waitForURL(/\/app\/c\//)
  const field = writer.getByRole('textbox', { name: arabic.composer.label })
  await field.fill(`${secret} one`)
  await field.press('Enter')
  await waitForVisible(writer.getByText(`${secret} one`).last())
  const path = new URL(writer.url()).pathname
  for (const device of [phone, desktop])
    for (const key of ['Enter', 'button']) {
      const page = await windows.open(shared.node.url, path, { ...device, person: alice })
      const asked = page.getByLabel(arabic.encrypted.passphrase, { exact: true })
      await asked.fill(passphrase)
      // typing has loaded the guard of the focus
      await asked.press('End')
      await page.waitForFunction(() =>
        performance.getEntriesByType('resource').some(({ name }) => name.includes('focus-guard')),
      )
      if (key === 'Enter') await asked.press('Enter')
      else await page.getByRole('button', { name: arabic.encrypted.unlock }).click()
      await waitForVisible(page.getByText(`${secret} one`).last())
      await expect
        .poll(() =>
          page.evaluate(() => document.activeElement?.closest('.pane, .foot')?.className ?? ''),
        )
        .not.toBe('')
    }
}, 60_000)

test('A: a page that can’t encrypt says why, and shows no text of an encrypted chat', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app/new', { person: alice })
  const id = await createEncrypted(page)
  await sendMessage(page, `${secret} one`)
  await waitForVisible(listedConversation(page, `${secret} one`))
  // as of a page that came over http
  await page.addInitScript(() => {
    Object.defineProperty(Crypto.prototype, 'subtle', { get: () => undefined })
  })
  await page.goto(`${shared.node.url}/app/new`)
  await waitForVisible(page.getByText('Chats can’t be encrypted here: that needs https'))
  await expect
    .poll(() => page.getByRole('button', { name: 'Encrypt with a passphrase' }).count())
    .toBe(0)
  await navigateTo(page, `/app/c/${id}`)
  await waitForVisible(page.getByText('This page can’t decrypt: that needs https'))
  await expect.poll(() => page.getByText(secret).count()).toBe(0)
}, 60_000)
