// What can be pressed around one chat: its header, messages, editor, versions, banners and
// composer.
import type { Page } from 'playwright-core'
import { newId } from '@lockstep/protocol/ids'
import { composer, waitForHidden, waitForVisible } from '../user-actions.ts'
import {
  at,
  button,
  dialog,
  editor,
  field,
  heading,
  listed,
  menu,
  said,
  saving,
  titleField,
} from './sights.ts'
import type { WalkAccount } from './walk-account.ts'
import type { Row, Scene } from './walk.ts'

const isGone = heading('This chat no longer exists')

const followSource: NonNullable<Row['press']> = async (control, page) => {
  await page
    .context()
    .route('https://example.com/**', (route) => route.fulfill({ body: 'The source itself' }))
  const opened = page.waitForEvent('popup')
  await control.click()
  const source = await opened
  await source.getByText('The source itself').waitFor()
  await source.close()
}

/** Presses what opens the editor of a title, and gives it this title. */
const renamingTo =
  (text: string): NonNullable<Row['press']> =>
  async (control, page) => {
    await control.click()
    await titleField(page).fill(text)
    await titleField(page).press('Enter')
  }
const openMenuOf = (name: string) => async (page: Page) => {
  if (!(await page.getByRole('menu').isVisible()))
    await page.getByRole('button', { name, exact: true }).last().click()
}
const chatMenu = openMenuOf('Chat actions')

export function threadScenes({ person, conversationId, chats }: WalkAccount): Scene[] {
  const thread = (id: string) =>
    at(`/app/c/${id}`, (page) => page.getByRole('region', { name: 'Messages' }))
  return [
    {
      name: 'a new chat',
      open: at('/app/new', composer),
      rows: [
        ...[
          'Show me what Markdown can do',
          'Write a small function',
          'Compare two options in a table',
        ].map((text) => ({ control: `main > button "${text}"`, sees: field('Message', text) })),
        {
          control: 'main > button "Agent: Demo"',
          like: 'main > button "Agent: *"',
          sees: menu('Choose an agent'),
        },
        {
          control: 'menu "Choose an agent" > menuitemradio "Editor"',
          before: openMenuOf('Agent: Demo'),
          sees: button('Agent: Editor'),
        },
        {
          control: 'menu "Choose an agent" > menuitemradio "Demo"',
          before: openMenuOf('Agent: Editor'),
          sees: button('Agent: Demo'),
          like: 'menu "Choose an agent" > menuitemradio "*"',
        },
        {
          control: 'main > button "Send"',
          before: (page) => composer(page).fill('/demo fast code silent'),
          sees: said('/demo fast code silent'),
        },
      ],
    },
    {
      name: 'a reply that is being written',
      open: thread(chats.busy),
      rows: [
        {
          control: 'main > button "Stop the reply"',
          before: async (page) => {
            await composer(page).fill('/demo slow silent')
            await composer(page).press('Enter')
          },
          sees: 'Stopped',
        },
      ],
    },
    {
      name: 'the header of a chat',
      open: thread(conversationId),
      rows: [
        {
          control: 'main > button "*, rename"',
          press: renamingTo('The garden in May'),
          sees: listed('The garden in May'),
        },
        { control: 'main > button "Chat actions"', sees: menu('The garden in May') },
        {
          control: 'menu "The garden in May" > menuitem "Rename"',
          like: 'menu "*" > menuitem "Rename"',
          before: chatMenu,
          press: renamingTo('The garden in spring'),
          sees: listed('The garden in spring'),
        },
        {
          control: 'menu "*" > menuitem "Pin"',
          before: chatMenu,
          sees: listed('The garden in spring', 'Pinned'),
        },
        {
          control: 'menu "*" > menuitem "Unpin"',
          before: chatMenu,
          loses: listed('The garden in spring', 'Pinned'),
        },
        {
          control: 'menu "*" > menuitem "Download as Markdown"',
          before: chatMenu,
          ...saving(/^The garden in spring\.md$/),
        },
        {
          control: 'menu "*" > menuitem "History"',
          before: chatMenu,
          sees: heading('History of “The garden in spring”'),
        },
        {
          control: 'menu "*" > menuitem "Archive"',
          before: chatMenu,
          sees: (page) => page.getByText('Archived', { exact: true }),
        },
        { control: 'status > button "Undo"', sees: listed('The garden in spring') },
        { control: 'menu "*" > menuitem "Delete"', before: chatMenu, sees: 'Moved to trash' },
        { control: 'status > button "Undo"', sees: listed('The garden in spring') },
        {
          control: 'status > button "Dismiss"',
          before: async (page) => {
            await chatMenu(page)
            await page.getByRole('menuitem', { name: 'Delete' }).click()
            await waitForVisible(page.getByText('Moved to trash'))
          },
          loses: 'Moved to trash',
        },
      ],
    },
    {
      name: 'the messages of a chat',
      open: async (page) => {
        await person.ask('restoreConversation', { params: { id: conversationId } })
        await thread(conversationId)(page)
      },
      rows: [
        {
          control: 'article "Demo" > button "Copy"',
          like: 'article "*" > button "Cop*"',
          sees: button('Copied'),
        },
        {
          control: 'article "Demo" > button "Copy code"',
          sees: (page) => page.locator('.code').getByRole('button', { name: 'Copied' }),
        },
        {
          control: 'article "Demo" > DisclosureTriangle "Thought for 2.4s"',
          like: 'article "*" > DisclosureTriangle "Thought for *"',
          sees: 'Heavy soil drains slowly, so nothing that rots early.',
        },
      ],
    },
    {
      name: 'the cards of a message',
      open: thread(chats.tools),
      rows: [
        {
          control: 'article "Assistant" > DisclosureTriangle "weather done"',
          sees: (page) => page.getByText('Not a cloud'),
        },
        {
          control: 'article "Assistant" > DisclosureTriangle "chart"',
          sees: (page) => page.getByText('"degrees"'),
        },
        {
          control: 'article "Assistant" > link "The sky"',
          press: followSource,
        },
      ],
    },
    {
      name: 'versions of a message',
      open: thread(chats.versions),
      rows: [
        { control: 'article "You" > button "Copy"', sees: button('Copied') },
        { control: 'article "You" > button "Edit"', sees: editor },
        { control: 'article "You" > button "Cancel"', loses: editor },
        {
          control: 'article "You" > button "Save only"',
          before: async (page) => {
            await page.getByRole('button', { name: 'Edit', exact: true }).click()
            await editor(page).fill('Reworded once')
          },
          sees: said('Reworded once'),
        },
        {
          control: 'article "You" > button "Send as new version"',
          before: async (page) => {
            await page.getByRole('button', { name: 'Edit', exact: true }).click()
            await editor(page).fill('/demo fast code silent')
          },
          sees: (page) => page.getByRole('article', { name: 'You' }).getByText('2 / 2'),
        },
        { control: 'article "You" > button "Earlier version"', sees: said('Reworded once') },
        { control: 'article "You" > button "Later version"', loses: said('Reworded once') },
        {
          control: 'article "Demo" > button "Regenerate"',
          like: 'article "*" > button "Regenerate"',
          sees: (page) => page.getByRole('article', { name: 'Demo' }).getByText('2 / 2'),
        },
        {
          control: 'article "Demo" > button "Earlier version"',
          like: 'article "*" > button "Earlier version"',
          sees: (page) => page.getByRole('article', { name: 'Demo' }).getByText('1 / 2'),
        },
        {
          control: 'article "Demo" > button "Later version"',
          like: 'article "*" > button "Later version"',
          sees: (page) => page.getByRole('article', { name: 'Demo' }).getByText('2 / 2'),
        },
        {
          control: 'article "You" > button "Continue your edit"',
          before: async (page) => {
            await page.getByRole('button', { name: 'Edit', exact: true }).click()
            await editor(page).fill('Half an edit')
            await at('/app/new', composer)(page)
            await thread(chats.versions)(page)
          },
          sees: field('Edit the message', 'Half an edit'),
        },
        { control: 'article "You" > button "Cancel"', sees: 'Edit discarded' },
        {
          control: 'status > button "Undo"',
          before: (page) => waitForHidden(page.getByRole('button', { name: 'Continue your edit' })),
          sees: button('Continue your edit'),
        },
      ],
    },
    {
      name: 'a message without a reply',
      open: thread(chats.unanswered),
      rows: [
        {
          control: 'article "You" > button "Message actions"',
          like: 'article "*" > button "Message actions"',
          sees: menu('Message actions'),
        },
        {
          control: 'menu "Message actions" > menuitem "Delete message"',
          before: openMenuOf('Message actions'),
          sees: 'Message deleted',
        },
        {
          control: 'status > button "Undo"',
          sees: (page) => page.getByRole('article', { name: 'You' }),
        },
        { control: 'article "You" > button "Get a reply"', sees: button('Regenerate') },
      ],
    },
    {
      name: 'a reply that was interrupted',
      open: thread(chats.interrupted),
      rows: [{ control: 'article "Assistant" > button "Try again"', sees: '2 / 2' }],
    },
    {
      name: 'a reply that was cut off',
      open: thread(chats.cut),
      rows: [{ control: 'article "Assistant" > button "Continue"', sees: 'Please continue.' }],
    },
    {
      name: 'an imported chat',
      open: thread(chats.imported),
      rows: [
        {
          control: 'main > DisclosureTriangle "Some of the original chat wasn’t imported"',
          sees: 'chat_setting',
        },
        {
          control:
            'article "*" > DisclosureTriangle "Some of the original message wasn’t imported"',
          sees: 'voice_note',
        },
        { control: 'article "*" > DisclosureTriangle "1 source"', sees: 'An example' },
        {
          control: 'article "*" > link "An example"',
          press: followSource,
        },
      ],
    },
    {
      name: 'a long chat',
      open: thread(chats.long),
      rows: [
        {
          control: 'main > button "First message"',
          before: scrollUp,
          sees: said('Line 1 of many'),
        },
        { control: 'main > button "Latest"', sees: said('Line 60 of many') },
        {
          control: 'main > button "1 new"',
          before: async (page) => {
            await scrollUp(page)
            await waitForVisible(page.getByRole('button', { name: 'Latest' }))
            const messages = [{ role: 'assistant' as const, content: 'Something new' }]
            await person.ask('putConversation', { params: { id: chats.long }, body: { messages } })
          },
          sees: said('Something new'),
        },
      ],
    },
    {
      name: 'a chat in the archive',
      open: at(`/app/c/${chats.archived}`, 'This chat is archived.'),
      rows: [{ control: 'status > button "Unarchive"', loses: 'This chat is archived.' }],
    },
    {
      name: 'a chat in the trash',
      open: thread(chats.trashed),
      rows: [
        { control: 'status > button "Restore"', loses: 'In the trash.' },
        {
          control: 'status > button "Delete forever"',
          before: async (page) => {
            await person.ask('deleteConversation', { params: { id: chats.trashed } })
            await waitForVisible(page.getByText('In the trash.'))
          },
          sees: dialog('Delete forever?'),
        },
        {
          control: 'alertdialog "Delete forever?" > button "Cancel"',
          loses: dialog('Delete forever?'),
        },
        { control: 'main > button "Chat actions"', sees: menu('Thrown away') },
        {
          control: 'menu "*" > menuitem "Restore"',
          loses: 'In the trash.',
        },
        {
          control: 'menu "*" > menuitem "Delete forever"',
          before: async (page) => {
            await person.ask('deleteConversation', { params: { id: chats.trashed } })
            await waitForVisible(page.getByText('In the trash.'))
            await chatMenu(page)
          },
          sees: dialog('Delete forever?'),
        },
        {
          control: 'alertdialog "Delete forever?" > button "Delete forever"',
          sees: (page) => page.getByRole('heading', { name: /^Good / }),
        },
      ],
    },
    {
      name: 'a chat that is gone',
      open: at(`/app/c/${newId()}`, 'This chat no longer exists'),
      rows: [{ control: 'main > link "Back to chats"', loses: isGone }],
    },
  ]
}

async function scrollUp(page: Page): Promise<void> {
  await page.getByRole('region', { name: 'Messages' }).hover()
  await page.mouse.wheel(0, -1500)
}
