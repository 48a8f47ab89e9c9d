// What can be pressed to make a sign-in safer, to prove who sits at the device, and to sign in with
// a second step. The browser's authenticator is virtual.
import type { Page } from 'playwright-core'
import { totpCode, totpStep } from '../../../realtime/auth/totp.ts'
import { fromBase32 } from '../../attacks/security-requests.ts'
import { waitForHidden, waitForVisible } from '../user-actions.ts'
import { addAuthenticator, withoutAutofill } from '../virtual-authenticator.ts'
import { at, button, dialog, heading, saving } from './sights.ts'
import { openSignInPage } from './sign-in-scenes.ts'
import type { WalkAccount } from './walk-account.ts'
import type { Row, Scene } from './walk.ts'

const codesShown = heading('Your recovery codes')
const confirmation = dialog('Confirm it’s you')
const greeting = heading(/^Good /)
const press = (page: Page, name: string) =>
  page.getByRole('button', { name, exact: true }).last().click()

export function securityScenes(account: WalkAccount): Scene[] {
  const { person, forgetSignIn } = account
  let hasAuthenticator = false
  let secret: Uint8Array = new Uint8Array()
  /** A code is good for one use. The server also takes that of the next step. */
  const code = (ahead = 0) => totpCode(secret, totpStep(Date.now()) + ahead)

  const security = async (page: Page): Promise<void> => {
    if (!hasAuthenticator) {
      await addAuthenticator(page)
      await withoutAutofill(page)
    }
    hasAuthenticator = true
    await at('/app/settings/security', (page) => page.getByRole('heading', { name: 'Passkeys' }))(
      page,
    )
  }
  const beginApp = (button: string) => async (page: Page) => {
    await press(page, button)
    const shown = await page.getByTestId('app-secret').innerText()
    secret = fromBase32(shown.replace(/\s/g, ''))
  }
  const closeCodes = async (page: Page) => {
    await press(page, 'I’ve saved them')
    await waitForHidden(page.getByRole('group', { name: 'Your recovery codes' }))
  }
  /** Long after the sign-in, a person who wants new codes is asked for a proof first. */
  const askedWho =
    (fill?: (page: Page) => Promise<unknown>): NonNullable<Row['before']> =>
    async (page) => {
      const codes = page.getByRole('group', { name: 'Your recovery codes' })
      if (await codes.isVisible()) await closeCodes(page)
      await forgetSignIn()
      await press(page, 'New recovery codes')
      await waitForVisible(page.getByRole('alertdialog', { name: 'Confirm it’s you' }))
      await fill?.(page)
    }
  const passwordGiven = async (page: Page): Promise<void> => {
    await openSignInPage(page, account.url)
    await page.getByLabel('Username').fill(person.user.username)
    await page.getByLabel('Password').fill(person.password)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await waitForVisible(page.getByRole('heading', { name: 'One more step' }))
  }

  return [
    {
      name: 'passkeys and the second step',
      open: security,
      rows: [
        {
          control: 'region "Security" > button "Add a passkey"',
          before: (page) => page.getByLabel('Passkey name').fill('Laptop'),
          sees: 'Passkey added',
        },
        {
          control: 'region "Security" > button "Rename Laptop"',
          like: 'region "Security" > button "Rename *"',
          sees: button('Save'),
        },
        { control: 'region "Security" > button "Cancel"', loses: button('Save') },
        {
          control: 'region "Security" > button "Save"',
          before: async (page) => {
            await press(page, 'Rename Laptop')
            await page.getByLabel('Passkey name').first().fill('Work laptop')
          },
          sees: (page) => page.getByText('Work laptop', { exact: true }),
        },
        { control: 'region "Security" > button "Use my passkeys"', sees: codesShown },
        { control: 'region "Security" > button "Copy"', sees: 'Copied' },
        {
          control: 'region "Security" > link "Download"',
          ...saving(/^lockstep-recovery-codes\.txt$/),
        },
        { control: 'region "Security" > button "I’ve saved them"', loses: codesShown },
        { control: 'region "Security" > button "New recovery codes"', sees: codesShown },
        {
          control: 'region "Security" > button "Set up an authenticator app"',
          sees: button('Turn on'),
        },
        { control: 'region "Security" > button "Cancel"', loses: button('Turn on') },
        {
          control: 'region "Security" > button "Turn on"',
          before: async (page) => {
            await beginApp('Set up an authenticator app')(page)
            await page.getByLabel('Code from your app').fill(code(-1))
          },
          sees: codesShown,
        },
        {
          control: 'region "Security" > button "Set up another app"',
          sees: button('Turn on'),
        },
      ],
    },
    {
      name: 'the question who sits at the device',
      open: security,
      rows: [
        {
          control: 'alertdialog "Confirm it’s you" > button "Cancel"',
          before: async (page) => {
            if (await page.getByRole('button', { name: 'Turn on' }).isVisible())
              await press(page, 'Cancel')
            await askedWho()(page)
          },
          sees: 'Nothing was changed. Confirm it’s you to continue.',
          warns: true,
        },
        {
          control: 'alertdialog "Confirm it’s you" > button "Use a passkey"',
          before: askedWho(),
          sees: codesShown,
          loses: confirmation,
        },
        {
          control: 'alertdialog "Confirm it’s you" > button "Use the code"',
          before: askedWho((page) => page.getByLabel('Code from your app').fill(code())),
          sees: codesShown,
          loses: confirmation,
        },
        {
          control: 'alertdialog "Confirm it’s you" > button "Confirm"',
          before: askedWho((page) => page.getByLabel('Your password').fill(person.password)),
          sees: codesShown,
          loses: confirmation,
        },
      ],
    },
    {
      name: 'a sign-in with a second step',
      open: passwordGiven,
      rows: [
        { control: 'main > button "Cancel"', loses: heading('One more step') },
        {
          control: 'main > button "Continue"',
          before: async (page) => {
            await passwordGiven(page)
            await page.getByLabel('Code from your app').fill(code(1))
          },
          sees: greeting,
        },
        { control: 'main > button "Use a passkey"', before: passwordGiven, sees: greeting },
        {
          control: 'main > button "Sign in with a passkey"',
          before: (page) => openSignInPage(page, account.url),
          sees: greeting,
        },
      ],
    },
    {
      name: 'what makes a sign-in simple again',
      open: security,
      rows: [
        {
          control: 'region "Security" > button "Turn off"',
          sees: dialog('Turn off two-step verification?'),
        },
        {
          control: 'alertdialog "Turn off two-step verification?" > button "Cancel"',
          loses: dialog('Turn off two-step verification?'),
        },
        {
          control: 'alertdialog "Turn off two-step verification?" > button "Turn off"',
          before: (page) => press(page, 'Turn off'),
          sees: 'Two-step verification is off',
        },
        {
          control: 'region "Security" > button "Remove Work laptop"',
          like: 'region "Security" > button "Remove *"',
          sees: dialog('Remove “Work laptop”?'),
        },
        {
          control: 'alertdialog "Remove “*”?" > button "Cancel"',
          loses: dialog('Remove “Work laptop”?'),
        },
        {
          control: 'alertdialog "Remove “*”?" > button "Remove"',
          before: (page) => press(page, 'Remove Work laptop'),
          sees: 'Passkey removed',
        },
      ],
    },
  ]
}
