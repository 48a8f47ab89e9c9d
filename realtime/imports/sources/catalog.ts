// The sources that a person can choose from, as the page lists them.
import type { ImportSource } from '@lockstep/protocol/import'

export interface ChoosableSource {
  /** The page imports `browser` without files: it finds that data in its own localStorage. */
  id: Exclude<ImportSource, 'browser'>
  /** The product's name. */
  name: string
}

export const importSources: readonly ChoosableSource[] = [
  { id: 'chatgpt', name: 'ChatGPT' },
  { id: 'claude', name: 'Claude' },
  { id: 'librechat', name: 'LibreChat' },
  { id: 'open-webui', name: 'Open WebUI' },
  { id: 'chat-ui', name: 'chat-ui' },
  { id: 'lockstep', name: 'Lockstep' },
]
