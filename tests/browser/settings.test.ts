// What is set holds on every device at once; what was done is told with the device that did it; motion is only for who wants it.
import { expect, test } from 'vitest'
import { cookieOf, Person, request, signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { sharedBrowser } from './browser-windows.ts'
import { AT_ONCE, said, say, shows } from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser()

const hour = 3_600_000
const code = 'const due = (weeks: number) => weeks * 7'

/** A conversation from the day before yesterday to today, with code in it. */
async function longTalk(person: Person): Promise<string> {
  const said_at = (hours: number) => new Date(Date.now() - hours * hour).toISOString()
  const { id } = await person.ask('createConversation', {
    body: {
      title: 'When to sow',
      messages: [
        { role: 'user', content: 'Said before', created_at: said_at(48) },
        { role: 'user', content: 'Said since', created_at: said_at(24) },
        { role: 'assistant', content: `In code:\n\n\`\`\`ts\n${code}\n\`\`\`` },
      ],
    },
  })
  return id
}

test('the language of dates and who answers are the account’s: every window follows', async () => {
  const alice = await signUp(shared.node, 'alice')
  const agent = '0199aaaa-0000-7000-8000-000000000001'
  await alice.ask('putPreferences', { body: { agent_settings: { [agent]: { name: 'Editor' } } } })
  const id = await longTalk(alice)
  const left = await windows.open(shared.node.url, '/app/settings/appearance', { person: alice })
  const right = await windows.open(shared.node.url, `/app/c/${id}`, {
    person: await alice.signIn(),
  })
  const days = right.getByRole('region', { name: 'Messages' })
  await shows(days.getByText('Yesterday'))
  await left.getByLabel('Dates and times').selectOption('de')
  await shows(days.getByText('Gestern'), AT_ONCE)
  await shows(days.getByText('Heute'))
  await shows(right.getByRole('button', { name: 'Demo' }))
  await left.getByLabel('Who answers in chats').selectOption('Editor')
  await shows(right.getByRole('button', { name: 'Editor' }), AT_ONCE)
  expect((await alice.ask('getPreferences')).preferences).toMatchObject({
    date_language: 'de',
    default_agent: agent,
  })
})

/** The same person on a phone. */
async function onPhone({ url, user, session, password }: Person): Promise<Person> {
  const agent =
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Mobile/15E148 Safari/604.1'
  const { headers } = await request(
    `${url}/auth/login`,
    'POST',
    { username: user.username, password },
    { 'user-agent': agent },
  )
  return new Person(url, { user, session }, cookieOf(headers), password)
}

test('activity tells what was changed and from which device, as it happens', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app/settings/activity', { person: alice })
  await shows(
    page
      .getByText('Signed up', { exact: false })
      .or(page.getByText('Signed in', { exact: false }))
      .first(),
  )
  const phone = await onPhone(alice)
  await phone.ask('createConversation', { body: { title: 'From the phone' } })
  const told = page.getByRole('listitem').filter({ hasText: '“From the phone”' })
  await shows(told.getByText('Safari on iPhone'))
  await page.getByLabel('Show').selectOption('Settings')
  await shows(page.getByText('Nothing yet.'))
  await phone.ask('putPreferences', { body: { theme: 'dark' } })
  await shows(page.getByRole('listitem').filter({ hasText: 'theme' }).getByText('Safari on iPhone'))
})

test('code is coloured, and copied as it was written', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, `/app/c/${await longTalk(alice)}`, {
    person: alice,
  })
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await shows(page.locator('pre code [class^="hljs"]').first())
  await page.getByRole('button').getByText('Copy', { exact: true }).click()
  await shows(page.getByRole('button', { name: 'Copied' }))
  expect((await page.evaluate(() => navigator.clipboard.readText())).trim()).toBe(code)
})

test('who wants no motion gets none', async () => {
  const alice = await signUp(shared.node, 'alice')
  /** What moves while a reply is awaited. */
  async function moving(reducedMotion: 'reduce' | 'no-preference') {
    const page = await windows.open(shared.node.url, '/app/new', { person: alice, reducedMotion })
    await say(page, '/demo slow')
    await shows(said(page, '/demo slow'))
    await shows(page.getByRole('button', { name: 'Stop' }))
    return () =>
      page.evaluate(
        () =>
          document
            .getAnimations()
            .filter(({ effect }) => Number(effect?.getComputedTiming().activeDuration) > 1).length,
      )
  }
  await expect.poll(await moving('no-preference')).toBeGreaterThan(0)
  expect(await (await moving('reduce'))()).toBe(0)
})
