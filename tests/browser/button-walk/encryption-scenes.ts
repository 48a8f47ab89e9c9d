// What can be pressed to encrypt a chat, to lock and unlock it, and where its text can't be kept as
// other texts are.
import type { Page } from 'playwright-core'
import type { Person } from '../../harness/person.ts'
import { composer, sendMessage, waitForVisible } from '../user-actions.ts'
import { at, dialog, heading } from './sights.ts'
import type { WalkAccount } from './walk-account.ts'
import type { Scene } from './walk.ts'

const passphrase = 'five quiet herons at dusk'
const title = 'Encrypt this chat with a passphrase?'
const repliesOff = 'Encrypted: no replies here'

async function openDialog(page: Page): Promise<void> {
  if (!(await page.getByRole('alertdialog').isVisible()))
    await page.getByRole('button', { name: 'Encrypt with a passphrase' }).click()
}

export function encryptionScenes({ person, line }: WalkAccount): Scene[] {
  let path = ''
  const id = () => path.split('/').at(-1)!
  let device: Promise<Person> | undefined
  /** Of a device that has signed in since all others were signed out. */
  const other = () => (device ??= person.signIn())
  /** The chat that the first scene has made. */
  async function open(page: Page): Promise<void> {
    path ||= new URL(page.url()).pathname
    await at(path, (shown) => shown.getByRole('button', { name: 'Chat actions' }))(page)
  }
  async function unlock(page: Page): Promise<void> {
    await page.getByLabel('Passphrase', { exact: true }).fill(passphrase)
  }
  return [
    {
      name: 'the encryption of a new chat',
      open: at('/app/new', composer),
      rows: [
        { control: 'main > button "Encrypt with a passphrase"', sees: dialog(title) },
        { control: `alertdialog "${title}" > button "Cancel"`, loses: dialog(title) },
        {
          control: `alertdialog "${title}" > button "Create encrypted chat"`,
          before: async (page) => {
            await openDialog(page)
            await unlock(page)
            await page.getByLabel('Passphrase again').fill(passphrase)
          },
          sees: repliesOff,
        },
      ],
    },
    {
      name: 'an encrypted chat',
      open,
      rows: [
        {
          control: 'menu "*" > menuitem "Lock"',
          before: (page) => page.getByRole('button', { name: 'Chat actions' }).click(),
          sees: heading('This chat is locked'),
        },
        { control: 'main > button "Unlock"', before: unlock, sees: repliesOff },
      ],
    },
    {
      name: 'a message to an encrypted chat that was deleted meanwhile',
      open,
      rows: [
        {
          control: 'alertdialog "Couldn’t send your message" > button "Copy the text"',
          before: async (page) => {
            line.cut()
            await waitForVisible(page.getByRole('complementary').getByText(/^Offline/))
            await sendMessage(page, 'A private thought')
            await (await other()).ask('deleteConversation', { params: { id: id() } })
            line.restore()
          },
          loses: (page) => page.getByRole('alertdialog'),
        },
      ],
    },
    {
      name: 'an encrypted chat that was purged while something was being written',
      open,
      rows: [
        {
          control: 'main > button "Copy the draft"',
          before: async (page) => {
            await (await other()).ask('restoreConversation', { params: { id: id() } })
            await composer(page).fill('A private draft')
            await (await other()).ask('deleteConversation', { params: { id: id() } })
            await (await other()).ask('purgeConversation', { params: { id: id() } })
          },
          sees: 'Copied',
        },
      ],
    },
  ]
}
