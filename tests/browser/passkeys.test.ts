// A person with passkeys and two-step verification, on two devices whose authenticators are
// virtual. Pages are at localhost, because an IP address can have no passkeys.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { totpCode, totpStep } from '../../realtime/auth/totp.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { fromBase32, named } from '../attacks/security-requests.ts'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { violations } from './accessibility-violations.ts'
import { sharedBrowser } from './browser-windows.ts'
import { composer, signOut, waitForHidden, waitForVisible } from './user-actions.ts'
import {
  addAuthenticator,
  withoutAutofill,
  type VirtualAuthenticator,
} from './virtual-authenticator.ts'

const shared = sharedNodes()
const windows = sharedBrowser({ savesData: true })
let database: Database
let node: { url: string }
beforeAll(async () => {
  database = await openDatabase(shared.database.url)
  node = { url: named(shared.node.url) }
})
afterAll(() => database.close())

/** The passkeys of one device come to another one, with a counter that only grows. */
async function sync(from: VirtualAuthenticator, to: VirtualAuthenticator): Promise<void> {
  const { authenticatorId } = from
  const { credentials } = await from.cdp.send('WebAuthn.getCredentials', { authenticatorId })
  await to.cdp.send('WebAuthn.clearCredentials', { authenticatorId: to.authenticatorId })
  for (const credential of credentials)
    await to.cdp.send('WebAuthn.addCredential', {
      authenticatorId: to.authenticatorId,
      credential: { ...credential, signCount: credential.signCount + 10 },
    })
}

/** Runs in the page. Returns the heights that a dialog with this button has from now on. */
function watchHeight(name: string): Set<number> {
  const heights = new Set<number>()
  const look = () => {
    const buttons = [...document.querySelectorAll('[role="alertdialog"] button')]
    const button = buttons.find(({ textContent }) => textContent.trim() === name)
    if (button) heights.add(button.closest('[role="alertdialog"]')!.clientHeight)
    requestAnimationFrame(look)
  }
  look()
  return heights
}
const twoFrames = () =>
  new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))

test('a person adds a passkey, signs in with it on another device, and adds a second step', async () => {
  const alice = await signUp(node, 'alice')
  const security = '/app/settings/security'
  const page = await windows.open(node.url, security, {
    person: alice,
    // the wrong code of the app
    alsoExpected: /422 \(Unprocessable/,
  })
  const other = await windows.open(node.url, security, { person: await alice.signIn() })
  const laptop = await addAuthenticator(page)
  await withoutAutofill(page)
  await page.getByLabel('Passkey name').fill('Laptop')
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  await waitForVisible(page.getByText('Passkey added'))
  await waitForVisible(page.getByText('Never used'))
  // the other device shows it without being asked
  await waitForVisible(other.getByText('Laptop', { exact: true }))
  expect(await violations(page)).toEqual([])

  const handset = await addAuthenticator(other)
  await sync(laptop, handset)
  await other.getByRole('button', { name: /^Account of/ }).click()
  await other.getByRole('menuitem', { name: 'Sign out' }).click()
  // the browser offers the passkey in the field of the name, and its person takes it
  await waitForVisible(composer(other))
  await waitForVisible(page.getByText('Last used', { exact: false }))
  await sync(handset, laptop)

  await page.getByRole('button', { name: 'Rename Laptop' }).click()
  const name = page.getByRole('textbox', { name: 'Passkey name' }).first()
  await name.fill('Work laptop')
  await name.press('Enter')
  await waitForVisible(page.getByText('Work laptop', { exact: true }))

  await page.getByRole('button', { name: 'Set up an authenticator app' }).click()
  await waitForVisible(page.getByRole('img', { name: 'QR code for your authenticator app' }))
  const secret = fromBase32((await page.getByTestId('app-secret').innerText()).replace(/\s/g, ''))
  const code = page.getByLabel('Code from your app')
  // also where little of the page is in view, a person sees what was wrong
  const { width, height } = page.viewportSize()!
  await page.setViewportSize({ width: 360, height: 480 })
  await code.fill('111111')
  await code.press('Enter')
  const wrong = page.getByText('That code doesn’t match', { exact: false })
  await expect
    .poll(() => wrong.evaluate((element) => element.getBoundingClientRect().bottom))
    .toBeLessThanOrEqual(480)
  await page.setViewportSize({ width, height })
  await code.fill(totpCode(secret, totpStep(Date.now())))
  await page.getByRole('button', { name: 'Turn on' }).click()
  const codes = page.getByRole('group', { name: 'Your recovery codes' }).getByRole('listitem')
  await expect.poll(() => codes.count()).toBe(10)
  await expect.poll(() => page.locator(':focus').innerText()).toBe('Your recovery codes')
  const recovery = await codes.first().innerText()
  expect(await violations(page)).toEqual([])
  await page.getByRole('button', { name: 'I’ve saved them' }).click()
  await waitForVisible(page.getByText('10 recovery codes are left.', { exact: false }))

  await signOut(page)
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
  await waitForVisible(composer(page))
  await signOut(page)
  await page.getByLabel('Username').fill(alice.user.username)
  await page.getByLabel('Password').fill(alice.password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await waitForVisible(page.getByRole('heading', { name: 'One more step' }))
  expect(await violations(page)).toEqual([])
  await page.getByLabel('Code from your app').fill('111111')
  await page.getByRole('button', { name: 'Continue' }).click()
  await waitForVisible(page.getByText('That code is wrong', { exact: false }))
  await page.getByLabel('Code from your app').fill(recovery)
  await page.getByRole('button', { name: 'Continue' }).click()
  await waitForVisible(composer(page))

  await signOut(page)
  await page.getByLabel('Username').fill(alice.user.username)
  await page.getByLabel('Password').fill(alice.password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await waitForVisible(composer(page))

  const longAgo = new Date(Date.now() - 3_600_000)
  await database.sessions.updateMany(
    { user_id: alice.user.id },
    { $set: { created_at: longAgo }, $unset: { confirmed_at: '' } },
  )
  await page.goto(node.url + security)
  await waitForVisible(page.getByText('9 recovery codes are left.', { exact: false }))
  await page.getByRole('button', { name: 'Remove Work laptop' }).click()
  const heights = await page.evaluateHandle(watchHeight, 'Confirm')
  await page.route('**/users/me/security', async (route) => {
    await page.evaluate(twoFrames)
    await route.continue()
  })
  await page.getByRole('button', { name: 'Remove', exact: true }).last().click()
  const dialog = page.getByRole('alertdialog', { name: 'Confirm it’s you' })
  await waitForVisible(dialog.getByRole('button', { name: 'Use a passkey' }))
  await page.evaluate(twoFrames)
  await page.unroute('**/users/me/security')
  // no way to answer comes late, which would move the others away from the pointer
  expect(await heights.evaluate(({ size }) => size)).toBe(1)
  // a wrong code is the code's fault, not the password's
  await dialog.getByLabel('Code from your app').fill('111111')
  await dialog.getByRole('button', { name: 'Use the code' }).click()
  await waitForVisible(dialog.getByText('That code is wrong', { exact: false }))
  const isInvalid = (label: string) => dialog.getByLabel(label).getAttribute('aria-invalid')
  await expect.poll(() => isInvalid('Code from your app')).toBe('true')
  await expect.poll(() => isInvalid('Your password')).toBe('false')
  expect(await violations(page)).toEqual([])
  await dialog.getByRole('button', { name: 'Use a passkey' }).click()
  await waitForVisible(page.getByText('Passkey removed'))
  await waitForHidden(page.getByText('Work laptop', { exact: true }))
  await page.getByRole('button', { name: 'Turn off' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Turn off' }).click()
  await waitForVisible(page.getByText('Two-step verification is off'))
  expect((await alice.signIn(node)).user).toEqual(alice.user)

  await page.goto(`${node.url}/app/settings/activity`)
  await waitForVisible(page.getByText('Removed a passkey'))
  await waitForVisible(page.getByText('Used a recovery code'))
})

test('at an IP address the page says what passkeys need, and passwords still sign in', async () => {
  const bob = await signUp(shared.node, 'bob')
  const page = await windows.open(shared.node.url, '/app/settings/security', { person: bob })
  await waitForVisible(page.getByText('Passkeys need a host name.', { exact: false }))
  await expect.poll(() => page.getByRole('button', { name: 'Add a passkey' }).count()).toBe(0)
  await signOut(page)
  await waitForVisible(page.getByRole('heading', { name: 'Welcome back' }))
  await expect
    .poll(() => page.getByRole('button', { name: 'Sign in with a passkey' }).count())
    .toBe(0)
})
