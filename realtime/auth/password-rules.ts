// Which passwords may be chosen. A password is judged only when it is chosen: an account that has a
// weak one can still sign in. Long passphrases pass, whatever words they are made of.
import { Fault } from '@lockstep/protocol/errors'

export interface PasswordRules {
  /** Loads what a check needs. */
  load(): Promise<unknown>
  /** Throws `invalid`, at the path `password`, for a password that others would guess first. */
  check(username: string, password: string): Promise<void>
}

let common: Promise<ReadonlySet<string>> | undefined
/** The list takes a moment to load. All servers of a process share it. */
const loadCommon = (): Promise<ReadonlySet<string>> =>
  (common ??= import('@zxcvbn-ts/language-common').then(
    ({ dictionary }) => new Set(dictionary['passwords-common']),
  ))

export function createPasswordRules(): PasswordRules {
  return {
    load: loadCommon,
    async check(username, password) {
      const given = password.normalize('NFKC').toLowerCase()
      if (isOfName(username.toLowerCase(), given))
        throw refused('must not be made of the username: choose another one')
      if ((await loadCommon()).has(given))
        throw refused('is one of the most common ones: choose several words, or a sentence')
    },
  }
}

/** The name itself, reversed, doubled, or with digits after it. */
function isOfName(name: string, password: string): boolean {
  const reversed = Array.from(name).reverse().join('')
  if (password === name + name) return true
  return [name, reversed].some(
    (form) => password.startsWith(form) && /^\d*$/.test(password.slice(form.length)),
  )
}

const refused = (message: string): Fault =>
  new Fault('invalid', {
    detail: `The password ${message}`,
    issues: [{ path: 'password', message }],
  })
