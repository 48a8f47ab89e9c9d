// All rows of the threat model, in its order of sections.
import { accessTakenAway } from './access-taken-away.ts'
import { anotherUser } from './another-user.ts'
import { hostApp } from './host-app.ts'
import { neighbour } from './neighbour.ts'
import { noAccount } from './no-account.ts'
import { noAccountSessions } from './no-account-sessions.ts'
import { otherSite } from './other-site.ts'
import { reader } from './reader.ts'
import type { Row } from './row.ts'
import { token } from './token.ts'
import { webhook } from './webhook.ts'
import { unexpected } from './unexpected.ts'
import { unexpectedLoad } from './unexpected-load.ts'

export const rows: readonly Row[] = [
  ...anotherUser,
  ...noAccount,
  ...noAccountSessions,
  ...hostApp,
  ...token,
  ...webhook,
  ...otherSite,
  ...unexpected,
  ...unexpectedLoad,
  ...accessTakenAway,
  ...reader,
  ...neighbour,
]
