// The sources that a person can choose from, as the page lists them.
import type { ImportSource } from '@lockstep/protocol/import'

export interface ChoosableSource {
  /** The page imports `browser` without files: it finds that data in its own localStorage. */
  id: Exclude<ImportSource, 'browser'>
  /** The product's name. */
  name: string
  /** How a person gets the files to import. */
  hint: string
}

export const importSources: readonly ChoosableSource[] = [
  {
    id: 'chatgpt',
    name: 'ChatGPT',
    hint: 'Settings, Data controls, Export data, or the privacy portal: the ZIP file as it is',
  },
  {
    id: 'claude',
    name: 'Claude',
    hint: 'Settings, Privacy, Export data: the ZIP file, or all of them if there are several',
  },
  {
    id: 'librechat',
    name: 'LibreChat',
    hint: 'Export a conversation as JSON; several files are fine',
  },
  {
    id: 'open-webui',
    name: 'Open WebUI',
    hint: 'Settings, Data controls, Export chats: the JSON or ZIP file',
  },
  { id: 'chat-ui', name: 'chat-ui', hint: 'Settings, Export: the JSON or ZIP file' },
  {
    id: 'lockstep',
    name: 'Lockstep',
    hint: 'The file that “Export everything” of another Lockstep gave you',
  },
]
