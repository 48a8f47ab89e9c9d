// Exports of each product, generated with every field that its parser knows and with others. Each
// text has words of its own, so that a test can look for them in what an import makes of it.
import * as fc from 'fast-check'
import type { ImportSource } from '@lockstep/protocol/import'
import {
  answer,
  anyValue,
  file,
  files,
  flag,
  iso,
  link,
  links,
  seconds,
  some,
  text,
  treeOf,
  unknownFields,
  word,
  words,
} from './generated-values.ts'

const gptPart = fc.oneof(
  answer,
  some({ content_type: fc.constantFrom('image_asset_pointer', 'audio'), asset_pointer: words }),
  some({
    content_type: fc.constant('audio_transcription'),
    text: words,
    direction: fc.constant('in'),
  }),
)
const gptContent = fc.oneof(
  some({ content_type: fc.constant('text'), parts: fc.array(gptPart, { maxLength: 2 }) }),
  some({ content_type: fc.constant('code'), language: words, text }),
  some({ content_type: fc.constant('execution_output'), text }),
  some({ content_type: fc.constant('citable_code_output'), output_str: text }),
  some({
    content_type: fc.constant('user_editable_context'),
    user_profile: words,
    user_instructions: text,
  }),
  some({
    content_type: fc.constant('model_editable_context'),
    model_set_context: text,
    structured_context: anyValue,
  }),
  some({
    content_type: fc.constant('thoughts'),
    thoughts: fc.array(some({ summary: words, content: text, chunks: fc.array(words) }), {
      maxLength: 2,
    }),
    source_analysis_msg_id: word,
  }),
  some({
    content_type: fc.constant('reasoning_recap'),
    content: fc.constant('Thought for 1m 12s'),
  }),
  some({
    content_type: fc.constant('tether_quote'),
    title: words,
    url: words,
    text,
    domain: words,
  }),
  some({
    content_type: fc.constant('tether_browsing_display'),
    result: text,
    summary: words,
    assets: anyValue,
  }),
  some({ content_type: fc.constant('computer_output'), screenshot: file, state: anyValue }),
  some({
    content_type: fc.constant('app_pairing_content'),
    context_parts: anyValue,
    shared_prompt: words,
  }),
  some({ content_type: words, text, anything: anyValue }),
)
const gptMessage = some({
  author: some({
    role: fc.constantFrom('user', 'assistant', 'tool', 'system', 'critic'),
    name: words,
    metadata: unknownFields,
  }),
  content: gptContent,
  create_time: seconds,
  update_time: seconds,
  status: fc.constantFrom('finished_successfully', 'in_progress', 'finished_partial_completion'),
  weight: fc.constantFrom(0, 1),
  recipient: fc.constantFrom('all', 'browser'),
  channel: fc.constantFrom('final', 'analysis', null),
  metadata: some({
    model_slug: words,
    attachments: files,
    is_visually_hidden_from_conversation: flag,
    content_references: links,
    search_result_groups: anyValue,
    finished_duration_sec: fc.integer({ min: 100_000, max: 900_000 }),
  }),
})
const chatgpt = fc
  .tuple(
    treeOf(gptMessage, (message, id, parent) => ({
      id,
      message: { id, ...message },
      parent,
      children: [],
    })),
    some({
      conversation_id: word,
      title: words,
      create_time: seconds,
      update_time: seconds,
      is_archived: flag,
      is_starred: flag,
      pinned_time: seconds,
      current_node: word,
    }),
  )
  .map(([tree, fields]) => [{ ...fields, mapping: Object.fromEntries(tree) }])

const claudePart = fc.oneof(
  some({ type: fc.constant('text'), text: answer, citations: links, start_timestamp: iso }),
  some({
    type: fc.constant('thinking'),
    thinking: text,
    summaries: anyValue,
    start_timestamp: iso,
    stop_timestamp: iso,
  }),
  some({ type: fc.constant('tool_use'), name: words, input: anyValue, message: words }),
  some({ type: fc.constant('tool_result'), name: words, content: anyValue, is_error: flag }),
  some({ type: fc.constant('voice_note'), title: words, text }),
  some({ type: words, text }),
)
const claudeMessage = some({
  sender: fc.constantFrom('human', 'assistant'),
  text,
  content: fc.array(claudePart, { maxLength: 3 }),
  attachments: fc.array(some({ file_name: words, extracted_content: text }), { maxLength: 2 }),
  files,
  model: words,
  created_at: iso,
  updated_at: iso,
})
const claude = fc
  .tuple(
    treeOf(claudeMessage, (message, uuid, parent) => ({
      uuid,
      parent_message_uuid: parent,
      ...message,
    })),
    word,
    some({
      name: words,
      summary: text,
      account: some({ uuid: word }),
      created_at: iso,
      updated_at: iso,
      is_starred: flag,
      current_leaf_message_uuid: word,
    }),
  )
  .map(([tree, uuid, fields]) => [
    { ...fields, uuid, chat_messages: tree.map(([, message]) => message) },
  ])

const librePart = fc.oneof(
  some({ type: fc.constant('text'), text: fc.oneof(answer, some({ value: answer }, ['value'])) }),
  some({ type: fc.constant('think'), think: text }),
  some({ type: fc.constant('error'), error: words }),
  some({
    type: fc.constant('tool_call'),
    tool_call: some({ name: words, args: text, output: text }),
  }),
  some({ type: fc.constant('image_file'), image_file: file }),
)
const libreMessage = some({
  isCreatedByUser: flag,
  sender: words,
  model: words,
  text: answer,
  content: fc.array(librePart, { maxLength: 3 }),
  error: flag,
  unfinished: flag,
  feedback: some({ rating: words, tag: words }),
  files: fc.array(some({ filename: words, text, type: words }), { maxLength: 2 }),
  attachments: links,
  tokenCount: fc.integer({ min: 100_000, max: 900_000 }),
  createdAt: iso,
  updatedAt: iso,
})
const librechat = fc
  .tuple(
    treeOf(libreMessage, (message, messageId, parent) => ({
      messageId,
      parentMessageId: parent,
      ...message,
    })),
    word,
    some({
      title: words,
      endpoint: words,
      options: anyValue,
      createdAt: iso,
      isArchived: flag,
      exportAt: words,
    }),
  )
  .map(([tree, conversationId, fields]) => ({
    ...fields,
    conversationId,
    messages: tree.map(([, message]) => message),
  }))

const webuiMessage = some({
  role: fc.constantFrom('user', 'assistant'),
  content: fc.oneof(
    answer,
    fc.array(
      fc.oneof(
        some({ type: fc.constant('text'), text: words }),
        some({ type: fc.constant('image_url'), image_url: file }),
      ),
      { maxLength: 2 },
    ),
  ),
  model: words,
  models: fc.array(words, { maxLength: 2 }),
  files: fc.array(some({ name: words, file: some({ data: some({ content: text }) }) }), {
    maxLength: 2,
  }),
  sources: fc.array(some({ source: link, document: fc.array(text, { maxLength: 1 }) }), {
    maxLength: 1,
  }),
  annotation: some({ rating: fc.integer({ min: 100_000, max: 900_000 }), comment: words }),
  error: fc.oneof(some({ content: words }), flag),
  done: flag,
  timestamp: seconds,
})
const openWebui = fc
  .tuple(
    treeOf(webuiMessage, (message, id, parentId) => ({
      id,
      parentId,
      childrenIds: [],
      ...message,
    })),
    fc.array(webuiMessage, { maxLength: 1 }),
    some({
      id: word,
      user_id: word,
      title: words,
      created_at: seconds,
      updated_at: seconds,
      archived: flag,
      pinned: flag,
      meta: anyValue,
    }),
    some({
      id: word,
      title: words,
      models: fc.array(words, { maxLength: 2 }),
      params: anyValue,
      tags: anyValue,
    }),
    unknownFields,
    word,
  )
  .map(([tree, list, outer, chat, history, currentId]) => [
    {
      ...outer,
      chat: {
        ...chat,
        history: { ...history, currentId, messages: { ...Object.fromEntries(tree), none: null } },
        messages: [...list, tree[0]![1]],
      },
    },
  ])

const chatUiMessage = some({
  from: fc.constantFrom('user', 'assistant', 'system'),
  content: answer,
  reasoning: text,
  files: fc.array(some({ name: words, mime: words, value: text }), { maxLength: 2 }),
  updates: fc.array(
    fc.oneof(
      some({ type: fc.constant('stream'), token: words }),
      some({ type: fc.constant('finalAnswer'), text: words }),
      some({ type: fc.constant('tool'), call: some({ name: words, parameters: anyValue }) }),
    ),
    { maxLength: 3 },
  ),
  webSearch: some({ prompt: words, contextSources: links }),
  interrupted: flag,
  createdAt: iso,
  updatedAt: iso,
})
const chatUiConversation = fc
  .tuple(
    treeOf(chatUiMessage, (message, id, parent) => ({
      id,
      ancestors: parent === null ? [] : [parent],
      children: [],
      ...message,
    })),
    some({
      title: words,
      model: words,
      preprompt: text,
      createdAt: iso,
      updatedAt: iso,
      userId: word,
      rootMessageId: word,
    }),
  )
  .map(([tree, fields]) => ({ ...fields, messages: tree.map(([, message]) => message) }))
const chatUi = fc.oneof(
  fc.tuple(chatUiConversation, word).map(([fields, $oid]) => [{ ...fields, _id: { $oid } }]),
  fc
    .tuple(chatUiConversation, word, some({ services: anyValue, files, exportedAt: iso }))
    .map(([fields, id, trace]) => ({
      ...trace,
      format: 'chat-ui-conversation-trace',
      conversation: { ...fields, id },
    })),
)

const browserMessage = some({
  id: word,
  role: fc.constantFrom('user', 'assistant', 'model'),
  content: fc.oneof(answer, anyValue),
  text: words,
  timestamp: iso,
  metadata: unknownFields,
  attachments: files,
})
const browser = fc
  .tuple(
    some({
      id: word,
      title: words,
      createdAt: iso,
      updatedAt: iso,
      pinned: flag,
      metadata: unknownFields,
    }),
    fc.array(browserMessage, { maxLength: 5 }),
  )
  .map(([fields, messages]) => ({ conversations: [{ ...fields, messages }] }))

const lockstepMessage = fc
  .tuple(unknownFields, fc.uuid(), fc.constantFrom('user', 'assistant'), text, iso, unknownFields)
  .map(([unknown, id, role, content, created_at, extra]) => ({
    ...unknown,
    ...{ id, role, content, created_at },
    metadata: { tags: Object.keys(extra) },
  }))
const lockstep = fc
  .tuple(unknownFields, fc.uuid(), words, iso, fc.array(lockstepMessage, { maxLength: 4 }))
  .map(([unknown, id, title, created_at, messages]) => ({
    conversations: [{ ...unknown, id, title, created_at, messages }],
  }))

export const generatedExports: Readonly<Record<ImportSource, fc.Arbitrary<unknown>>> = {
  chatgpt,
  claude,
  librechat,
  'open-webui': openWebui,
  'chat-ui': chatUi,
  browser,
  lockstep,
}
