// Presses every button of the product and looks at what a person then sees. The buttons come from
// the accessibility tree of each page and of each menu, dialog and panel that opens. A button that
// the table lacks fails, and so does a row of the table whose button is gone.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase, type Database } from '../../../realtime/store/database.ts'
import { named } from '../../attacks/security-requests.ts'
import { signUp } from '../../harness/person.ts'
import { sharedNodes } from '../../harness/shared-node.ts'
import { Wire } from '../../harness/wire.ts'
import { desktop, fastReplies, phone, sharedBrowser } from '../browser-windows.ts'
import { phoneScenes } from './frame-scenes.ts'
import { allScenes, parts, type ScenesOf } from './parts.ts'
import { prepareAccount, storageOfWalk } from './walk-account.ts'
import { ButtonWalk } from './walk.ts'

/** Registers the tests of a group of parts. */
export function walkParts(group: keyof typeof parts): void {
  const shared = sharedNodes(1, { ...fastReplies, quotas: { bytes: storageOfWalk } })
  const windows = sharedBrowser({ savesData: true })
  let database: Database
  beforeAll(async () => {
    database = await openDatabase(shared.database.url)
  })
  afterAll(() => database.close())

  test.each(Object.entries<ScenesOf[]>(parts[group]))(
    'A: every button %s does what a person then sees',
    async (_, part) => {
      const line = windows.keep(await Wire.to({ port: Number(new URL(shared.node.url).port) }))
      const person = await signUp(shared.node, 'alice')
      const longAgo = new Date(Date.now() - 3_600_000)
      const account = await prepareAccount({
        // An IP address can have no passkeys.
        url: named(`http://${line.address}`),
        person,
        line,
        forgetSignIn: () =>
          database.sessions.updateMany(
            { user_id: person.user.id },
            { $set: { created_at: longAgo }, $unset: { confirmed_at: '' } },
          ),
      })
      const page = await windows.open(account.url, '/app', {
        ...(part.includes(phoneScenes) ? phone : desktop),
        permissions: ['clipboard-read', 'clipboard-write'],
        // A session of its own: the walk signs out all other devices.
        person: await person.signIn(),
        isNew: true,
      })
      const walk = new ButtonWalk(page, allScenes(account))
      expect(await walk.run(part.flatMap((scenesOf) => scenesOf(account)))).toEqual([])
    },
  )
}
