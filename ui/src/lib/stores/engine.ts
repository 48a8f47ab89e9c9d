// The one engine of this page. The stores only show it: nothing else keeps the user's data.
import { createEngine, lateEncryption } from '@lockstep/client'
import { basePath } from '../base-path.ts'

export const engine = createEngine({
  origin: basePath,
  encryption: lateEncryption(async () => {
    const { passphraseEncryption } = await import('@lockstep/client/encryption')
    return passphraseEncryption
  }),
})
