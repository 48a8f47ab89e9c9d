// Finding conversations by their titles and messages.
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { fillAccount } from './app-pages.ts'
import { sharedBrowser } from './browser-windows.ts'
import { chooseAction, waitForHidden, listedConversation, waitForVisible } from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser()

test('the search covers titles and messages, and marks the matches in the list and in the thread', async () => {
  const alice = await signUp(shared.node, 'alice')
  await fillAccount(alice)
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  const field = page.getByRole('searchbox', { name: 'Search titles and messages' })
  await waitForVisible(listedConversation(page, 'Invoice wording'))
  await field.fill('cliff')
  await waitForVisible(listedConversation(page, 'Trip to the coast'))
  await waitForHidden(listedConversation(page, 'Invoice wording'))
  await waitForVisible(page.getByRole('complementary').locator('mark', { hasText: 'cliff' }))

  await field.fill('square metres')
  await waitForHidden(listedConversation(page, 'Trip to the coast'))
  await listedConversation(page, 'The garden in spring').click()
  const messages = page.getByRole('region', { name: 'Messages' })
  await waitForVisible(messages.getByText('Half a day of sun', { exact: false }))
  await expect
    .poll(() => page.evaluate(() => [...(CSS.highlights.get('search') ?? [])].map(String)))
    .toEqual(['square metres'])

  await field.press('Escape')
  await waitForVisible(listedConversation(page, 'Invoice wording'))
})

test('pinned conversations come first, and the archive and the trash are separate lists', async () => {
  const alice = await signUp(shared.node, 'alice')
  await fillAccount(alice)
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  const rows = page.getByRole('complementary').getByRole('listitem')
  await waitForVisible(listedConversation(page, 'Reading list'))
  await expect.poll(() => rows.first().textContent()).toContain('Reading list')
  await chooseAction(page, 'Invoice wording', 'Archive')
  await chooseAction(page, 'Regex for dates', 'Delete')
  await waitForHidden(listedConversation(page, 'Regex for dates'))

  await page.getByRole('button', { name: 'Chats', exact: true }).click()
  await page.getByRole('menuitemradio', { name: 'Archive' }).click()
  await waitForVisible(listedConversation(page, 'Invoice wording'))
  await page.getByRole('button', { name: 'Archive', exact: true }).click()
  await page.getByRole('menuitemradio', { name: 'Trash' }).click()
  await listedConversation(page, 'Regex for dates').click()
  await waitForVisible(page.getByText(/^This chat is in the trash/))
  await page.getByRole('button', { name: 'Delete forever' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete forever' }).click()
  await waitForHidden(listedConversation(page, 'Regex for dates'))
})
