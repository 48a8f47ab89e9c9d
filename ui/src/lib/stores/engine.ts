// The one engine of this page. The stores only show it: nothing else keeps the user's data.
import { createEngine, lateEncryption } from '@lockstep/client'
import { basePath } from '../base-path.ts'
import { connectByWebSocket } from '../services/web-socket.ts'

export const engine = createEngine({
  origin: '',
  path: basePath,
  connect: connectByWebSocket(basePath),
  encryption: lateEncryption(async () => {
    const { passphraseEncryption } = await import('@lockstep/client/encryption')
    return passphraseEncryption
  }),
})
