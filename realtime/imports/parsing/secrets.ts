// Tells secrets from other fields by their names. An export may hold keys to other services; an
// import stores them nowhere, because everything that it stores can be exported and shared.

/** How the names of secrets end, in lower case and without punctuation. */
const secretEndings = [
  'apikey',
  'apikeys',
  'accesskey',
  'privatekey',
  'secretkey',
  'secret',
  'secrets',
  'password',
  'passwd',
  'passphrase',
  'authorization',
  'credential',
  'credentials',
]
/** A cookie's value in another product. */
const SESSION = 'sessionId'
/** A shorter word is not a token but, for example, a word that a model wrote. */
const MIN_TOKEN_LENGTH = 16

/** Only a field with a value is a secret. Whether an account has a secret needn't be hidden. */
export function isSecret(name: string, value: unknown): boolean {
  if (value === null || value === undefined || typeof value === 'boolean' || value === '')
    return false
  if (name === SESSION) return true
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  if (secretEndings.some((ending) => plain.endsWith(ending))) return true
  const isToken = plain.endsWith('token') && typeof value === 'string'
  return isToken && value.length >= MIN_TOKEN_LENGTH && !/\s/.test(value)
}

/** Whether a JSON text may hold a secret. */
export const mayHoldSecrets = (text: string): boolean =>
  /^\s*[[{]/.test(text) && /key|secret|passw|passphrase|authorization|credential|token/i.test(text)

const MARK = ' (secret)'
/** How the list of what isn't imported names a secret. */
export const secretName = (path: string): string => path + MARK
export const isSecretName = (name: string): boolean => name.endsWith(MARK)
