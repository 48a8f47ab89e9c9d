// The one engine of this page. The stores only show it: nothing else keeps the user's data.
import { createEngine } from '@lockstep/client'

export const engine = createEngine({ origin: '' })
