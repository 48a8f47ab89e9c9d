// Where conversations can come from, and how their files become the `data` of an import.
import { textsInZip } from './zip.ts'

export interface Source {
  id: 'lockstep' | 'chatgpt' | 'claude' | 'librechat' | 'open-webui' | 'chat-ui'
  name: string
  /** How one gets the files. */
  hint: string
}

export const sources: readonly Source[] = [
  {
    id: 'chatgpt',
    name: 'ChatGPT',
    hint: 'Settings, Data controls, Export data: the ZIP file, or conversations.json from it',
  },
  { id: 'claude', name: 'Claude', hint: 'Settings, Privacy, Export data: the ZIP file, or conversations.json from it' },
  { id: 'librechat', name: 'LibreChat', hint: 'Export a conversation as JSON; several files are fine' },
  { id: 'open-webui', name: 'Open WebUI', hint: 'Settings, Data controls, Export chats: the JSON file' },
  { id: 'chat-ui', name: 'chat-ui', hint: 'Settings, Export: the JSON file' },
  { id: 'lockstep', name: 'Lockstep', hint: 'What “Export everything” of another Lockstep gave' },
]

const inArchives = /(^|\/)conversations(-\d+)?\.json$/

/** The JSON values in files; archives give what they hold. Throws an Error that says which file is wrong, and how. */
async function valuesOf(file: File): Promise<unknown[]> {
  const isArchive = /\.zip$/i.test(file.name) || file.type === 'application/zip'
  const texts = isArchive ? await textsInZip(file, inArchives) : [await file.text()]
  if (texts.length === 0) throw new Error(`${file.name} holds no conversations.json`)
  try {
    return texts.map((text): unknown => JSON.parse(text))
  } catch {
    throw new Error(`${file.name} is not JSON, or is cut off`)
  }
}

/** The `data` of an import: the value itself, or, of several files, the list of everything in them. */
export async function dataOf(files: readonly File[]): Promise<unknown> {
  const values = (await Promise.all(files.map(valuesOf))).flat()
  return values.length === 1 ? values[0] : values.flat()
}
