// Finding a conversation by what was said in it.
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { sharedBrowser } from './browser-windows.ts'
import { choose, hides, listed, shows } from './user-actions.ts'
import { fill } from './all-pages.ts'

const shared = sharedNodes()
const windows = sharedBrowser()

test('titles and texts are searched, what was found is marked in the list and in the thread', async () => {
  const alice = await signUp(shared.node, 'alice')
  await fill(alice)
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  const field = page.getByRole('searchbox', { name: 'Search titles and messages' })
  await field.fill('cliff')
  await shows(listed(page, 'Trip to the coast'))
  await hides(listed(page, 'Invoice wording'))
  await shows(page.getByRole('complementary').locator('mark', { hasText: 'cliff' }))

  await field.fill('square metres')
  await hides(listed(page, 'Trip to the coast'))
  await listed(page, 'The garden in spring').click()
  await shows(page.getByText('Half a day of sun', { exact: false }))
  await expect
    .poll(() => page.evaluate(() => [...(CSS.highlights.get('search') ?? [])].map(String)))
    .toEqual(['square metres'])

  await field.press('Escape')
  await shows(listed(page, 'Invoice wording'))
})

test('what is pinned stands first, and archive and trash have lists of their own', async () => {
  const alice = await signUp(shared.node, 'alice')
  await fill(alice)
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  const rows = page.getByRole('complementary').getByRole('listitem')
  await shows(listed(page, 'Reading list'))
  expect(await rows.first().textContent()).toContain('Reading list')
  await choose(page, 'Invoice wording', 'Archive')
  await choose(page, 'Regex for dates', 'Delete')
  await hides(listed(page, 'Regex for dates'))

  await page.getByRole('button', { name: 'Chats', exact: true }).click()
  await page.getByRole('menuitemradio', { name: 'Archive' }).click()
  await shows(listed(page, 'Invoice wording'))
  await page.getByRole('button', { name: 'Archive', exact: true }).click()
  await page.getByRole('menuitemradio', { name: 'Trash' }).click()
  await listed(page, 'Regex for dates').click()
  await shows(page.getByText(/^In the trash/))
  await page.getByRole('button', { name: 'Delete for ever' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete for ever' }).click()
  await hides(listed(page, 'Regex for dates'))
})
