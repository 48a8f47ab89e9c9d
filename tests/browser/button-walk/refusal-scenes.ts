// What can be pressed after the server didn't take what a person wrote: because the account is
// full, because the chat was deleted meanwhile, or because another device changed the same agent.
import type { Page } from 'playwright-core'
import { composer, navigateTo, sendMessage, waitForVisible } from '../user-actions.ts'
import { at, field, heading, said } from './sights.ts'
import { sharedAgent, type WalkAccount } from './walk-account.ts'
import type { Scene } from './walk.ts'

const isNotSent = /^Not sent: /

export function refusalScenes({ person, line, chats }: WalkAccount): Scene[] {
  const thread = (id: string) =>
    at(`/app/c/${id}`, (page) => page.getByRole('region', { name: 'Messages' }))
  /** Works while the page is offline. */
  const meanwhile = async (page: Page, write: () => Promise<void>, other: () => Promise<void>) => {
    line.cut()
    await waitForVisible(page.getByRole('complementary').getByText(/^Offline/))
    await write()
    await other()
    line.restore()
  }
  let filler: string[] = []
  /** The account has no room for another message until `makeRoom`. */
  const fill = async (): Promise<void> => {
    for (const size of [250_000, 50_000, 10_000]) {
      const messages = [{ role: 'user' as const, content: 'x'.repeat(size) }]
      for (let isFull = false; !isFull;)
        await person.ask('createConversation', { body: { title: 'Filler', messages } }).then(
          ({ id }) => void filler.push(id),
          () => (isFull = true),
        )
    }
  }
  const makeRoom = async (): Promise<void> => {
    for (const id of filler) {
      await person.ask('deleteConversation', { params: { id } })
      await person.ask('purgeConversation', { params: { id } })
    }
    filler = []
  }
  const refuse = (text: string) => async (page: Page) => {
    await fill()
    await sendMessage(page, text.padEnd(20_000, '.'))
    await waitForVisible(page.getByText(isNotSent))
  }
  const deletedMeanwhile = (text: string) => async (page: Page) => {
    const params = { id: chats.deletedMeanwhile }
    await person.ask('restoreConversation', { params })
    await at('/app/new', composer)(page)
    await thread(params.id)(page)
    await waitForVisible(composer(page))
    const write = () => sendMessage(page, text)
    await meanwhile(page, write, () => person.ask('deleteConversation', { params }).then(() => {}))
  }
  return [
    {
      // First, because a page tells it once: later it could come while something else is pressed.
      name: 'an account that is full',
      open: thread(chats.refused),
      rows: [
        {
          control: 'status > button "Show usage"',
          before: async (page) => {
            await fill()
            await page.reload()
          },
          sees: heading('Usage'),
          warns: true,
        },
      ],
    },
    {
      name: 'a message that the server refused',
      open: thread(chats.refused),
      rows: [
        {
          control: 'article "You" > button "Discard"',
          before: refuse('Not worth it'),
          loses: (page) => page.getByText(isNotSent),
        },
        {
          control: 'article "You" > button "Try again"',
          before: async (page) => {
            await refuse('Sent at last')(page)
            await makeRoom()
          },
          loses: (page) => page.getByText(isNotSent),
        },
      ],
    },
    {
      name: 'a message to a chat that was deleted meanwhile',
      open: at('/app/new', composer),
      rows: [
        {
          control: 'alertdialog "Couldn’t send your message" > button "Keep as draft"',
          before: deletedMeanwhile('A kept thought'),
          loses: (page) => page.getByRole('alertdialog'),
        },
        {
          control: 'alertdialog "Couldn’t send your message" > button "Restore and send"',
          before: deletedMeanwhile('A thought for the chat'),
          sees: said('A thought for the chat'),
          loses: (page) => page.getByRole('alertdialog'),
        },
      ],
    },
    {
      name: 'an agent that another device changed first',
      open: at(`/app/agents/${sharedAgent}`, (page) =>
        page.getByRole('heading', { name: 'Try it' }),
      ),
      rows: [
        {
          control: 'status > button "Open"',
          before: async (page) => {
            const write = async () => {
              await page.getByLabel('Name', { exact: true }).fill('Named offline')
              await page.getByRole('button', { name: 'Save' }).click()
              await navigateTo(page, '/app/agents')
            }
            const settings = { [sharedAgent]: { name: 'Named online' } }
            await meanwhile(page, write, () =>
              person.ask('putPreferences', { body: { agent_settings: settings } }).then(() => {}),
            )
            await waitForVisible(page.getByText('Your changes aren’t saved yet'))
          },
          sees: field('Name', 'Named offline'),
        },
      ],
    },
  ]
}
