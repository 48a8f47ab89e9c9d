// The programs and components in the documents that take an engine, a page or a conversation for
// granted. They run one after the other in one process, `readme-runner.ts`, which has these.
export interface ReadmeBlock {
  document: string
  /** Words of the block that no other one of the document has. */
  has: string
  /** What the block has printed in the end. */
  says: RegExp
  /** The name by which another block imports this one. */
  file?: string
  /** An expression that the runner evaluates after the block, with its exports in `own`. */
  then?: string
}

const client = 'clients/typescript/README.md'
const guide = 'docs/under-your-app.md'

/** What a person sees who presses `Send`: the two messages, and the reply that has begun. */
const says = /^Hello \| Hello \| \S/
const chat = '{ chat: newChat() }'
const row = { says: /^$/ }

/** The components of the documents, each in a page of its own. */
const components: readonly ReadmeBlock[] = [
  {
    ...{ document: guide, has: 'export const app = (', says },
    then: '(mount.react(own.app), sent())',
  },
  { ...row, document: guide, has: '<!-- Row.vue -->', file: 'Row.vue' },
  {
    ...{ document: guide, has: "import Row from './Row.vue'", says },
    then: `(mount.vue(own.default, ${chat}), sent())`,
  },
  { ...row, document: guide, has: '<!-- Row.svelte -->', file: 'Row.svelte' },
  {
    ...{ document: guide, has: "import Row from './Row.svelte'", says },
    then: `(mount.svelte(own.default, ${chat}), sent())`,
  },
  {
    ...{ document: 'clients/ai-sdk/README.md', has: 'export function Chat()' },
    ...{ then: '(mount.react(own.Chat), sent(2))', says: /^Hello \| \S/ },
  },
  {
    ...{ document: 'clients/react/README.md', has: 'createRoot(document.body)' },
    ...{ then: 'press("ol").then(() => rows(2))', says: /Hello \| / },
  },
  { ...row, document: 'clients/vue/README.md', has: '<!-- App.vue -->', file: 'App.vue' },
  {
    ...{ document: 'clients/vue/README.md', has: ".mount('#app')" },
    ...{ then: 'created()', says: /^New\b/ },
  },
  {
    ...row,
    document: 'clients/svelte/README.md',
    has: '<!-- Chats.svelte -->',
    file: 'Chats.svelte',
  },
  {
    ...{ document: 'clients/svelte/README.md', has: '<!-- App.svelte -->' },
    ...{ then: '(mount.svelte(own.default), created())', says: /^New\b/ },
  },
]

export const readmeBlocks: readonly ReadmeBlock[] = [
  ...components,
  {
    ...{ document: client, has: 'document.body.textContent' },
    ...{ then: 'until(() => document.body.textContent)', says: /Shared$/ },
  },
  { document: client, has: "call('login'", says: /^[\da-f-]{36} \{ ok: true, / },
  { document: client, has: 'shown.delivery', says: /^Hello sending$/ },
  {
    ...{ document: client, has: "idOf('chat-1')" },
    ...{ then: 'until(() => titles().includes("From another program"))', says: /^true$/ },
  },
  {
    ...{ document: client, has: 'dataset.theme' },
    ...{ then: 'until(() => document.documentElement.dataset.theme)', says: /^dark$/ },
  },
  {
    document: client,
    has: "records.put('note'",
    says: /^\[ \{ title: 'Garden', done: true \} \]$/,
  },
  { document: client, has: 'passphraseEncryption', says: /^wrong_passphrase$/ },
  { document: client, has: 'createProducer', says: /^complete$/ },
  { document: client, has: 'listActivity', says: /^\d{4}-.*Z \w+/ },
  {
    document: 'clients/ai-sdk/README.md',
    has: 'usePlainChat',
    then: 'own.usePlainChat',
    says: /^\[F/,
  },
  {
    ...{ document: 'clients/persist/README.md', has: "storage.subscribe('app'" },
    ...{ then: 'until(() => engine.preferences.value.persist?.app?.theme)', says: /^dark$/ },
  },
  {
    ...{ document: 'clients/persist/README.md', has: 'persistedIn' },
    ...{ then: 'get(own.app).chats.map(({ title }) => title).includes("Shared")', says: /^true$/ },
  },
  {
    ...{ document: 'clients/devtools/README.md', has: 'const remove = mountDevtools' },
    ...{ then: 'document.body.lastElementChild.shadowRoot.querySelector("h2").textContent' },
    says: /^Latency$/,
  },
  {
    ...{ document: 'docs/devtools.md', has: "event.key !== 'F9'" },
    then: `document.body.replaceChildren(),
      document.dispatchEvent(new KeyboardEvent('keydown', { key: 'F9' })),
      until(() => document.body.firstElementChild?.shadowRoot.querySelector('h2').textContent)`,
    says: /^Latency$/,
  },
  { document: 'clients/conformance/README.md', has: 'checkClient', says: /^\[\]$/ },
  {
    ...{ document: 'docs/ai-sdk.md', has: 'piecesOf' },
    ...{ then: 'own.answer(id, fullStream()).then(({ status }) => status)', says: /^complete$/ },
  },
  { document: 'docs/concepts.md', has: 'const change: WireChange', says: /^$/ },
  { document: 'docs/concepts.md', has: 'changes.reduce', says: /^$/ },
  { document: 'docs/concepts.md', has: 'const { version }', says: /^$/ },
  { document: 'docs/concepts.md', has: 'never rejects', says: /^1\ntrue$/ },
  {
    ...{ document: guide, has: '/lockstep-token' },
    ...{ then: 'own.engine.start().then(({ name }) => name)', says: /^ready$/ },
  },
  { document: guide, has: 'version_conflict', says: /^$/ },
  {
    ...{ document: guide, has: 'oldChats' },
    ...{ then: 'until(() => titles().includes("Old"))', says: /^true$/ },
  },
  {
    ...{ document: 'docs/own-agent-loop.md', has: 'const write = createProducer' },
    ...{ says: /status: 'complete'/ },
  },
  { document: 'protocol/README.md', has: 'socket.on', says: /^dark$/ },
  { document: 'realtime/embedded/README.md', has: 'startEmbedded', says: /text: 'Hello'/ },
  {
    ...{ document: 'README.md', has: "io('http" },
    // the `sync` has the change if the ack comes before it
    then: 'until(() => printed.some((text) => text.startsWith("up to")) && printed.length >= 2)',
    says: /^up to \d+$/m,
  },
]
