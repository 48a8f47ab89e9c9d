// Tells from a file which product exported it. It reads only the first items, so the size of the
// file doesn't matter.
import { exportedLists } from '@lockstep/protocol/exported-lists'
import { isObject } from '@lockstep/protocol/free-form'
import { ExportCutter } from '../cutting/export-cutter.ts'
import type { ExportFile } from '../cutting/export-file.ts'
import { joinFragments } from '../cutting/fragment.ts'
import type { ChoosableSource } from './catalog.ts'

type SourceId = ChoosableSource['id']
type Fields = Record<string, unknown>

/** How many items are looked at: one without messages, for example, doesn't show its product. */
const itemsToLookAt = 20

const messagesOf = (value: unknown): Fields[] =>
  (Array.isArray(value) ? value : isObject(value) ? Object.values(value) : []).filter(isObject)

/**
 * Signs that only one product's items have. The order matters: surer signs are looked for first.
 */
const signs: readonly [SourceId, (item: Fields) => boolean][] = [
  ['chatgpt', ({ mapping }) => isObject(mapping)],
  ['claude', ({ chat_messages }) => Array.isArray(chat_messages)],
  ['open-webui', ({ chat, history }) => isObject(chat) || isObject(history)],
  [
    'librechat',
    ({ conversationId, messagesTree, messages }) =>
      Array.isArray(messagesTree) ||
      (typeof conversationId === 'string' &&
        messagesOf(messages).some((message) => 'messageId' in message || 'sender' in message)),
  ],
  [
    'chat-ui',
    (item) =>
      'rootMessageId' in item ||
      'sessionId' in item ||
      (isObject(item.conversation) && Array.isArray(item.conversation.messages)) ||
      messagesOf(item.messages).some(({ from }) => typeof from === 'string'),
  ],
  [
    'lockstep',
    (item) =>
      ('message_count' in item && 'version' in item) ||
      messagesOf(item.messages).some((message) => 'position' in message && 'role' in message) ||
      ('agent' in item && 'input' in item && 'output' in item) ||
      ('kind' in item && 'data' in item) ||
      ('place' in item && 'text' in item),
  ],
  ['open-webui', ({ models, messages }) => Array.isArray(models) && Array.isArray(messages)],
]

/** The product whose items look like this one; undefined if no product’s do. */
function sourceOfItem(item: unknown): SourceId | undefined {
  return isObject(item) ? signs.find(([, matches]) => matches(item))?.[0] : undefined
}

/** The items in a fragment of an export: a list of them, an export with a list, or one item. */
function itemsIn(value: unknown): unknown[] {
  if (Array.isArray(value)) return value.flatMap(itemsIn)
  if (!isObject(value)) return []
  const lists = exportedLists.map((name) => value[name]).filter((list) => Array.isArray(list))
  return lists.length > 0 ? lists.flat() : [value]
}

/**
 * The product that exported the file. Undefined if it can't be told, also for what isn't JSON: the
 * import itself then says what is wrong.
 */
export async function detectSource(file: ExportFile): Promise<SourceId | undefined> {
  // Every product has its list of items under the same name. An export of Lockstep has other lists
  // too, so its names find the items of any product.
  const cutter = new ExportCutter('lockstep')
  const reader = file.stream().getReader()
  let lookedAt = 0
  try {
    for (let isOver = false; !isOver && lookedAt < itemsToLookAt;) {
      const { done, value } = await reader.read()
      isOver = done
      for (const fragment of done ? cutter.end() : cutter.push(value)) {
        if (fragment.isTooLarge) continue
        const text = await new Blob(joinFragments([fragment])).text()
        for (const item of itemsIn(JSON.parse(text))) {
          const source = sourceOfItem(item)
          if (source) return source
          lookedAt++
        }
      }
    }
  } catch {
    return undefined
  } finally {
    await reader.cancel().catch(() => undefined)
  }
  return undefined
}
