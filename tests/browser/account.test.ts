// What a person sees of their account: who sits at a device, which sessions there are, and what
// other devices hear of it.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { sharedBrowser } from './browser-windows.ts'
import { waitForHidden, waitForVisible } from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser()
let database: Database
beforeAll(async () => {
  database = await openDatabase(shared.database.url)
})
afterAll(() => database.close())

test('a rename long after the sign-in asks for the password, and then goes on by itself', async () => {
  const alice = await signUp(shared.node, 'alice')
  const longAgo = new Date(Date.now() - 3_600_000)
  await database.sessions.updateOne({ _id: alice.session.id }, { $set: { created_at: longAgo } })
  const page = await windows.open(shared.node.url, '/app/settings/account', { person: alice })
  const name = page.getByLabel('Username', { exact: true })
  const renamed = `${alice.user.username}-2`
  await name.fill(renamed)
  const change = page.getByRole('button', { name: 'Change username' })
  await change.click()
  const dialog = page.getByRole('alertdialog', { name: 'Confirm it’s you' })
  const password = dialog.getByLabel('Your password')
  await waitForVisible(dialog)
  await expect
    .poll(() => page.evaluate(() => document.activeElement?.getAttribute('autocomplete')))
    .toBe('current-password')

  await password.fill('a wrong guess')
  await password.press('Enter')
  await waitForVisible(dialog.getByText('Incorrect password.'))
  await page.keyboard.press('Escape')
  await waitForHidden(dialog)
  await waitForVisible(page.getByText('Nothing was changed. Confirm it’s you to continue.'))
  expect((await alice.ask('getMe')).user.username).toBe(alice.user.username)

  expect(await name.inputValue()).toBe(renamed)
  await change.click()
  await password.fill(alice.password)
  await dialog.getByRole('button', { name: 'Confirm' }).click()
  await waitForVisible(page.getByText('Username changed'))
  await waitForHidden(dialog)
  expect((await alice.ask('getMe')).user.username).toBe(renamed)
})
