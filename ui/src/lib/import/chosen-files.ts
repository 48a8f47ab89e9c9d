// Where conversations can come from, and what is in the files that people choose.
import { partsOf, type Part } from '@lockstep/imports/cutting/export-files'

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
  {
    id: 'claude',
    name: 'Claude',
    hint: 'Settings, Privacy, Export data: the ZIP file, or conversations.json from it',
  },
  {
    id: 'librechat',
    name: 'LibreChat',
    hint: 'Export a conversation as JSON; several files are fine',
  },
  {
    id: 'open-webui',
    name: 'Open WebUI',
    hint: 'Settings, Data controls, Export chats: the JSON file',
  },
  { id: 'chat-ui', name: 'chat-ui', hint: 'Settings, Export: the JSON file' },
  { id: 'lockstep', name: 'Lockstep', hint: 'What “Export everything” of another Lockstep gave' },
]

const loadZip = async () => {
  const { BlobReader, ZipReader } = await import('@zip.js/zip.js/lib/zip-core-native.js') // by name: the rest stays out of the page
  return { BlobReader, ZipReader }
}

/** The JSON in files, in their order; archives give what they hold. Throws a Fault that says which file is wrong, and how. */
export async function partsOfFiles(files: readonly File[]): Promise<Part[]> {
  return (await Promise.all(files.map((file) => partsOf(file, file.name, loadZip)))).flat()
}

/** What is at hand already. */
export function partOf(name: string, value: unknown): Part {
  const text = new Blob([JSON.stringify(value)])
  return { name, size: text.size, stream: () => text.stream() }
}
