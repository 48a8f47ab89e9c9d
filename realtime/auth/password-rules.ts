// Which passwords may be chosen. A password is judged only when it is chosen: an account that has a
// weak one can still sign in. Long passphrases pass, whatever words they are made of.
import { Fault } from '@lockstep/protocol/errors'

export interface PasswordRules {
  /** Throws `invalid`, at the path `password`, for a password that others would guess first. */
  check(username: string, password: string): Promise<void>
}

/**
 * The list takes a tenth of a second to load, so it is loaded ahead, once for the whole process.
 */
const loadCommon = async (): Promise<ReadonlySet<string>> => {
  const { dictionary } = await import('@zxcvbn-ts/language-common')
  return new Set(dictionary['passwords-common'])
}
let common: ReturnType<typeof loadCommon> | undefined

export function createPasswordRules(): PasswordRules {
  common ??= loadCommon()
  // a failure is reported where the list is needed
  common.catch(() => undefined)
  return {
    async check(username, password) {
      const given = password.normalize('NFKC').toLowerCase()
      if (isOfName(username.toLowerCase(), given))
        throw refused('must not be made of the username: choose another one')
      if ((await common)?.has(given))
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
