// The programs in the documents that take an engine, a page or a conversation for granted. They run
// one after the other in one process, `readme-runner.ts`, which has these.
export interface ReadmeBlock {
  document: string
  /** Words of the block that no other one of the document has. */
  has: string
  /** What the block has printed in the end. */
  says: RegExp
  /** An expression that the runner evaluates after the block, with its exports in `own`. */
  then?: string
}

const client = 'clients/typescript/README.md'
const guide = 'docs/under-your-app.md'

export const readmeBlocks: readonly ReadmeBlock[] = [
  {
    ...{ document: client, has: 'document.body.textContent' },
    ...{ then: 'until(() => document.body.textContent)', says: /^Shared$/ },
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
    // the ack may come before the `sync`, which comes before every change
    ...{ then: 'until(() => printed.length >= 3)', says: /^up to \d+$/m },
  },
]
