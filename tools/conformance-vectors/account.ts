// The states and changes of the account. Its commands need more than the state.
import { reduceAccount, type HeldAccount } from '@lockstep/protocol/reduce/account'
import { changeOf, context, EARLIER, id, type VectorSource } from './source.ts'

const session = (number: number) => ({ id: id(number), device: 'Firefox', created_at: EARLIER })
const change = (op: string, data?: Record<string, unknown>) => () =>
  changeOf('account', op, context.user_id, 4, data)

export const accountVectors: VectorSource<HeldAccount> = {
  topic: 'account',
  states: {
    'two sessions': { username: 'ada', sessions: [session(51), session(52)], closed: false },
    'no session': { username: 'ada', sessions: [], closed: false },
  },
  changes: {
    'somebody signs in': change('session_created', { session: session(53) }),
    'a known session comes again': change('session_created', { session: session(51) }),
    'a session gets a new id': change('session_created', {
      session: session(53),
      replaces: id(52),
    }),
    'a session ends': change('session_revoked', { session_id: id(51) }),
    'an unknown session ends': change('session_revoked', { session_id: id(59) }),
    'it is renamed': change('renamed', { username: 'grace' }),
    'the password changes': change('password_changed', {}),
    'a passkey is added': change('security_changed', { what: 'passkey_added' }),
    'its content is stripped': change('renamed'),
    'an op of the future': change('of_the_future', { username: 'x' }),
    'the account is closed': change('closed', {}),
  },
  commands: {},
  reduce: reduceAccount,
  decide: () => undefined,
}
