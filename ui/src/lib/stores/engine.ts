// The one engine of this page. The stores only show it: nothing else keeps the user's data.
import { createEngine } from '@lockstep/client'
import { basePath } from '../base-path.ts'

export const engine = createEngine({ origin: basePath })
