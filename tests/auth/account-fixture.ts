// The account use cases on a real database, with dependencies that a test can make fail or wait at
// the worst moment.
import { newId } from '@lockstep/protocol/ids'
import { createPasswordRules } from '../../realtime/auth/password-rules.ts'
import { createPasswords, type Passwords } from '../../realtime/auth/passwords.ts'
import { createRateLimits } from '../../realtime/auth/rate-limits.ts'
import { createSessions } from '../../realtime/auth/sessions.ts'
import { createAccount, type AccountUseCases } from '../../realtime/commands/account.ts'
import type { SessionSockets } from '../../realtime/commands/session-sockets.ts'
import type { CommandContext } from '../../realtime/log/entry.ts'
import type { SignInResult } from '../../realtime/commands/sign-in.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { createLog, type Log } from '../../realtime/log/log.ts'
import { ensureIndexes, openDatabase, type Database } from '../../realtime/store/database.ts'
import { freshDatabase } from '../harness/database.ts'

export const CHEAP_PASSWORD_COST = 4
export const password = 'correct horse'

export interface AccountFixture extends AsyncDisposable {
  database: Database
  log: Log
  account: AccountUseCases
  /** The same use cases with some dependencies replaced. */
  with(replacements: {
    passwords?: Passwords
    devices?: SessionSockets
    log?: Log
  }): AccountUseCases
  /** The ops in the user's log of topic `account`, in order. */
  accountOps(user_id: string): Promise<string[]>
}

export async function createAccountFixture(): Promise<AccountFixture> {
  const scratch = freshDatabase()
  const database = await openDatabase(scratch.url)
  await ensureIndexes(database)
  const logger = createLogger('silent')
  const log = createLog(database, logger)
  const sessions = createSessions({
    database,
    secrets: ['a secret that only the tests know, 32+'],
    logger,
  })
  const noSockets: SessionSockets = {
    disconnectSessions: () => undefined,
    renewSockets: () => undefined,
    onlineSessions: () => Promise.resolve(new Set()),
  }
  const defaults = {
    database,
    log,
    sessions,
    passwords: createPasswords(CHEAP_PASSWORD_COST),
    passwordRules: createPasswordRules(),
    limits: createRateLimits(),
    secondStep: { demand: () => Promise.reject(new Error('nobody has one')) },
    devices: noSockets,
    signUp: 'open' as const,
  }
  return {
    database,
    log,
    account: createAccount(defaults),
    with: (replacements) => createAccount({ ...defaults, ...replacements }),
    async accountOps(user_id) {
      const entries = await database.changes
        .find({ user_id, topic: 'account' })
        .sort({ seq: 1 })
        .toArray()
      return entries.map(({ op }) => op)
    },
    async [Symbol.asyncDispose]() {
      await log.stop()
      await database.close()
      await scratch[Symbol.asyncDispose]()
    },
  }
}

export const visitor = () => ({ address: '10.0.0.1', device: 'Node', mutation_id: newId() })

export async function signUp(account: AccountUseCases): Promise<SignInResult> {
  const signedIn = await account.register(visitor(), { username: `person-${newId()}`, password })
  if ('waiting' in signedIn) throw new Error('this fixture lets everybody in')
  return signedIn
}

export const requestOf = (
  { user, session }: SignInResult,
  mutation_id = newId(),
): CommandContext => ({
  user_id: user.id,
  session_id: session.id,
  device: session.device,
  mutation_id,
})

/**
 * A log whose append fails once, after `before` calls that succeed. The look-up of a repeated
 * command counts as a call.
 */
export function failingOnce(log: Log, before = 0): Log {
  let left = before
  let failed = false
  return {
    ...log,
    append: (command) => {
      if (!failed && left-- <= 0) {
        failed = true
        return Promise.reject(new Error('the database went away'))
      }
      return log.append(command)
    },
  }
}
