// What can be pressed where two devices wrote at the same place.
import type { Page } from 'playwright-core'
import { newId } from '@lockstep/protocol/ids'
import { composer, waitForVisible } from '../user-actions.ts'
import { answered, at, editor, field, said, titleField } from './sights.ts'
import type { WalkAccount } from './walk-account.ts'
import type { Scene } from './walk.ts'

export function conflictScenes({ person, chats }: WalkAccount): Scene[] {
  const thread = (id: string) =>
    at(`/app/c/${id}`, (page) => page.getByRole('region', { name: 'Messages' }))
  return [
    {
      name: 'a chat that was purged while something was being written',
      open: thread(chats.drafts),
      rows: [
        {
          control: 'region "Also written here, on another device" > button "Add to mine"',
          before: (page) => otherDraft(page, 'theirs 1', 'mine 1'),
          sees: async (page) => /mine 1[^]*theirs 1/.test(await composer(page).inputValue()),
          loses: (page) => page.getByRole('region', { name: 'Also written here' }),
        },
        {
          control: 'region "Also written here, on another device" > button "Swap"',
          before: (page) => otherDraft(page, 'theirs 2', 'mine 2'),
          sees: field('Message', 'theirs 2'),
        },
        {
          control: 'region "Also written here, on another device" > button "Discard"',
          loses: 'mine 2',
        },
        {
          control: 'main > button "Use in a new chat"',
          before: async () => {
            await person.ask('deleteConversation', { params: { id: chats.drafts } })
            await person.ask('purgeConversation', { params: { id: chats.drafts } })
          },
          sees: field('Message', 'theirs 2'),
        },
      ],
    },
    {
      name: 'a title that two devices change',
      open: thread(chats.renamed),
      rows: [
        { answer: 'Keep theirs', whose: 'Theirs' },
        { answer: 'Use mine', whose: 'Mine' },
      ].map(({ answer, whose }) => ({
        control: `alertdialog "Renamed on another device" > button "${answer}"`,
        before: async (page: Page) => {
          await page.getByRole('button', { name: /, rename$/ }).click()
          await titleField(page).fill(`Mine for ${answer}`)
          const body = { title: `Theirs for ${answer}` }
          await person.ask('putConversation', { params: { id: chats.renamed }, body })
          await waitForVisible(page.locator('[data-row]', { hasText: body.title }))
          await titleField(page).press('Enter')
        },
        sees: answered('Renamed on another device', (page) =>
          page.getByRole('button', { name: `${whose} for ${answer}, rename` }),
        ),
      })),
    },
    {
      name: 'a message that two devices change',
      open: thread(chats.corrected),
      rows: [
        { answer: 'Keep current', whose: 'Their' },
        { answer: 'Replace with mine', whose: 'My' },
      ].map(({ answer, whose }) => ({
        control: `alertdialog "Changed on another device" > button "${answer}"`,
        before: async (page: Page) => {
          await page.getByRole('button', { name: 'Edit', exact: true }).click()
          await editor(page).fill(`My original for ${answer}`)
          const { messages } = await person.ask('getConversation', {
            params: { id: chats.corrected },
          })
          const content = `Their original for ${answer}`
          await person.ask('putConversation', {
            params: { id: chats.corrected },
            body: { messages: [{ id: messages[0]!.id, role: 'user', content }] },
          })
          await waitForVisible(page.locator('[data-row]', { hasText: content }))
          await page.getByRole('button', { name: 'Save only' }).click()
        },
        sees: answered('Changed on another device', said(`${whose} original for ${answer}`)),
      })),
    },
  ]

  /** Another device has written something else at the same place. */
  async function otherDraft(page: Page, theirs: string, mine: string): Promise<void> {
    await composer(page).fill(mine)
    const body = { place: chats.drafts, text: theirs }
    await person.ask('putDraft', { params: { id: newId() }, body })
  }
}
