// The operators' audit as a property of the command line: each command that changes something, or
// that shows an operator what people have, leaves its line. A new command without its row here is a
// type error.
import { writeFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import {
  userActions,
  type OperatorCommand,
  type UserAction,
  type UsersCommand,
} from '../../realtime/operator/command-line.ts'
import { signUp } from '../harness/person.ts'
import { operatorFixture } from './operator-fixture.ts'

const { shared, lockstep, pathOf, collection } = operatorFixture()

/** How a command is given, of this user, with this export and this other database. */
type Given = (user: string, file: string, url: string) => string[]
/** null: it leaves no line. */
const commands: Record<Exclude<OperatorCommand['name'], 'users'>, Given | null> = {
  link: (user) => ['link', user, 'subject', '--issuer', 'https://id.example'],
  unlink: (user) => ['unlink', user],
  audit: (user) => ['audit', user, '--content'],
  import: (user, file) => ['import', user, 'lockstep', file],
  migrate: (_user, _file, url) => ['migrate', '--from', url, '--collection', 'none'],
  'new-epoch': () => ['new-epoch'],
  // these work on the files of a database that isn't open
  ...{ backup: null, restore: null, verify: null, repair: null, erased: null },
  help: null,
}
const ofUser = (action: UserAction): [UserAction, Given] => [
  action,
  (user) => ['users', action, user],
]
const ofUsers: Record<UsersCommand['action'], Given | null> = {
  list: () => ['users', 'list'],
  invite: () => ['users', 'invite'],
  log: null, // prints the audit itself
  ...(Object.fromEntries(userActions.map(ofUser)) as Record<UserAction, Given>),
}
const given = [...Object.values(commands), ...Object.values(ofUsers)].filter((of) => of !== null)

const operations = () => collection('operations').find().sort({ _id: 1 }).toArray()
async function exportFile(): Promise<string> {
  const file = pathOf('export.json')
  await writeFile(file, JSON.stringify({ conversations: [] }))
  return file
}

describe('the operators’ audit', () => {
  test.each(given.map((of) => [of('<user>', '<file>', '<url>').join(' '), of] as const))(
    'has a line for %s',
    async (words, of) => {
      const her = await signUp(shared.node, 'operated')
      const before = (await operations()).length
      await lockstep(...of(her.user.id, await exportFile(), shared.database.url))
      const added = (await operations()).slice(before)
      expect(added).toMatchObject([
        {
          command: words.replace(/ <user>/, '').match(/^(?:users )?[\w-]+(?: --content)?/)![0],
          operator: expect.stringMatching(/\w/) as string,
          // a deleted account has no name in it
          ...(/<user>/.test(words) && !/delete/.test(words) && { user_id: her.user.id }),
        },
      ])
    },
  )

  test('has no line of what changes nothing and shows nothing that people wrote', async () => {
    const her = await signUp(shared.node, 'operated')
    const before = await operations()
    const { url } = shared.database
    for (const args of [
      ['audit', her.user.id],
      ['audit', 'all'],
      ['audit', 'nobody-has-this-name', '--content'],
      ['import', her.user.id, 'lockstep', await exportFile(), '--dry-run'],
      ['migrate', '--from', url, '--collection', 'none', '--dry-run'],
    ])
      await lockstep(...args)
    expect(await operations()).toEqual(before)
    await lockstep('audit', 'all', '--content')
    const [line, ...more] = (await operations()).slice(before.length)
    expect([line, more]).toMatchObject([{ command: 'audit --content' }, []])
    expect(line).not.toHaveProperty('user_id')
  })
})
