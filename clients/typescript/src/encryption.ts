// Conversations whose keys only their clients have: an option of `createEngine`.
export { passphraseEncryption } from './encryption/encryption.ts'
