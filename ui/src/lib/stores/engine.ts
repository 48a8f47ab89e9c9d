// The one engine of this page. The stores only show it: nothing else keeps the user's data.
import { createEngine, lateEncryption } from '@lockstep/client'
import { createWire } from '@lockstep/devtools/wire'
import { basePath } from '../base-path.ts'
import { connectByWebSocket } from '../services/web-socket.ts'

/** What developers watch the engine through (stores/recording.svelte.ts). */
export const wire = createWire(connectByWebSocket(basePath))

export const engine = createEngine({
  origin: '',
  path: basePath,
  connect: wire.connect,
  encryption: lateEncryption(async () => {
    const { passphraseEncryption } = await import('@lockstep/client/encryption')
    return passphraseEncryption
  }),
})
