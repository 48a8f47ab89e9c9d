// One program for each framework, as an adopter would write it. Each shows the same small chat in a
// DOM without a browser: the list of conversations, and the messages of one, a row each. It counts
// how often each component renders, and answers one line of JSON on its standard output.
//
// The scenario: a phone, which is a bare engine, signs up and creates a conversation with a
// message. The laptop, which is the framework's app, shows it. Then the phone asks for a streamed
// reply.

/** A module that a program imports first: frameworks look for the DOM when they are loaded. */
export const domModule = `
import { Window } from 'happy-dom'

export const window = new Window()
const names = ['document', 'HTMLElement', 'Element', 'Node', 'Text', 'Comment', 'SVGElement', 'Event',
  'MutationObserver', 'HTMLMediaElement', 'DocumentFragment', 'ShadowRoot', 'MathMLElement']
for (const name of names) globalThis[name] = window[name]
globalThis.window = globalThis
export const target = document.createElement('main')
document.body.append(target)`

const scenario = `
import { createEngine } from '@lockstep/client'
import { cookieJar } from '@lockstep/client/node'

const [origin, username, password] = process.argv.slice(2)
const device = () => createEngine({ origin, ...cookieJar() })
const [phone, laptop] = [device(), device()]
const until = async (holds, what) => {
  for (let n = 0; !holds(); n++) {
    if (n > 1500) throw new Error(what + ' did not come true: ' + target.innerHTML)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
await phone.call('register', { body: { username, password } })
await laptop.call('login', { body: { username, password } })
await phone.start()
const { id, outcome } = phone.conversations.create({ title: 'From the phone', messages: [{ role: 'user', content: '/demo words 40 rate 60' }] })
await outcome
await phone.conversations.open(id)
const renders = { list: 0, thread: 0 }
const count = (name) => (renders[name] = (renders[name] ?? 0) + 1)

const end = await mount({ engine: laptop, id, count, target })
await until(() => target.textContent.includes('From the phone'), 'the list')
await until(() => target.textContent.includes('/demo words 40'), 'the message')
laptop.preferences.update({ theme: 'dark' })
await until(() => target.textContent.includes('dark'), 'the preference')
await phone.conversations.reply(id, { agent: 'demo' }).outcome
await until(() => phone.conversations.get(id).messages.length === 2, 'the reply')
const reply = phone.conversations.get(id).messages[1].id
await until(() => laptop.conversations.get(id).messages.at(-1).content.length > 0, 'the stream')
await until(() => (renders[reply] ?? 0) > 0, 'the row of the reply')
const before = structuredClone(renders)
await until(() => laptop.conversations.get(id).messages.at(-1).status === 'complete', 'the end')
const { content } = laptop.conversations.get(id).messages.at(-1)
await until(() => target.textContent.includes(content), 'the whole reply')
const others = Object.keys(renders).filter((name) => name !== reply && name !== 'list')
const hooks = others.filter((name) => name.startsWith('use'))
console.log(JSON.stringify({
  streamed: renders[reply] - before[reply],
  hooks: Object.fromEntries(hooks.map((name) => [name, renders[name] - before[name]])),
  otherRows: others.filter((name) => name !== 'thread' && !hooks.includes(name)).map((name) => renders[name] - before[name]),
  thread: renders.thread - before.thread,
  state: laptop.state.name,
  connection: laptop.connection,
}))
await end()
await until(() => laptop.state.name === 'stopped', 'the stop')
await phone.stop()
await window.happyDOM.close()
`

export const reactProgram = `import { target, window } from './dom.js'
import { createElement as h, memo, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { LockstepProvider, useConnection, useConversation, useConversations, useLockstep, useMessage, useMessageIds, useOutbox, usePreference, useSession } from '@lockstep/react'

async function mount({ engine, id, count, target }) {
  const Row = memo(({ message_id }) => {
    const message = useMessage(id, message_id)
    count(message_id)
    return h('li', null, message?.content)
  })
  const Thread = () => {
    const ids = useMessageIds(id)
    count('thread')
    return h('ol', null, ids.map((message_id) => h(Row, { key: message_id, message_id })))
  }
  const List = () => {
    const { items } = useConversations()
    const titles = useLockstep(({ conversations }) => conversations.list('active').items.map(({ title }) => title))
    const [theme] = usePreference('theme')
    const session = useSession()
    count('list')
    return h('nav', null, session.name, items.length, titles.join(), String(theme))
  }
  const Title = () => h('h1', null, useConversation(id).conversation?.title)
  const length = ({ conversations }) => conversations.list('active').items.length
  const hooks = { useConversations, useConnection, useOutbox, usePreference: () => usePreference('theme'), useSession, useLockstep: () => useLockstep(length) }
  const Hooks = () => Object.entries(hooks).map(([name, useIt]) => h(Hook, { key: name, name, useIt }))
  const Hook = ({ name, useIt }) => {
    useIt()
    count(name)
    return null
  }
  const app = h(StrictMode, null, h(LockstepProvider, { engine }, h(List), h(Title), h(Thread), h(Hooks)))
  const html = renderToString(app)
  if (!html.includes('stopped')) throw new Error('the server renders a page of nobody: ' + html)
  const root = createRoot(target)
  root.render(app)
  return () => root.unmount()
}
${scenario}`

export const vueProgram = `import { target, window } from './dom.js'
import { createApp, defineComponent, h } from 'vue'
import { lockstep, useConnection, useConversation, useConversations, useLockstep, useMessage, useMessageIds, useOutbox, usePreference, useSession } from '@lockstep/vue'

async function mount({ engine, id, count, target }) {
  const Row = defineComponent({
    props: ['message_id'],
    setup(props) {
      const message = useMessage(id, () => props.message_id)
      return () => { count(props.message_id); return h('li', message.value?.content) }
    },
  })
  const Thread = defineComponent(() => {
    const ids = useMessageIds(() => id)
    return () => { count('thread'); return h('ol', ids.value.map((message_id) => h(Row, { key: message_id, message_id }))) }
  })
  const List = defineComponent(() => {
    const conversations = useConversations()
    const { value: theme } = usePreference('theme')
    const session = useSession()
    return () => { count('list'); return h('nav', [session.value.name, conversations.value.items.map(({ title }) => title).join(), String(theme.value)]) }
  })
  const Title = defineComponent(() => {
    const opened = useConversation(id)
    return () => h('h1', opened.value.conversation?.title)
  })
  const length = ({ conversations }) => conversations.list('active').items.length
  const hooks = { useConversations, useConnection, useOutbox, usePreference: () => usePreference('theme').value, useSession, useLockstep: () => useLockstep(length) }
  const Hooks = Object.entries(hooks).map(([name, useIt]) => defineComponent(() => {
    const shown = useIt()
    return () => { count(name); return h('p', JSON.stringify(shown.value)) }
  }))
  const app = createApp({ render: () => [h(List), h(Title), h(Thread), ...Hooks.map((Hook) => h(Hook))] })
  app.use(lockstep(engine))
  app.mount(target)
  return () => app.unmount()
}
${scenario}`

/** Components of the Svelte program: file name -> source. */
export const svelteComponents = {
  App: `<script>
    import { provideLockstep } from '@lockstep/svelte'
    import List from './List.svelte.js'
    import Hooks from './Hooks.svelte.js'
    import Thread from './Thread.svelte.js'
    const { engine, id, count } = $props()
    provideLockstep(engine)
  </script>
  <List {count} /><Thread {id} {count} /><Hooks {count} />`,
  List: `<script>
    import { useConversations, usePreference, useSession } from '@lockstep/svelte'
    const { count } = $props()
    const conversations = useConversations()
    const theme = usePreference('theme')
    const session = useSession()
    $effect(() => { conversations.current; count('list') })
  </script>
  <nav>{session.current.name} {conversations.current.items.map(({ title }) => title).join()} {theme.current}</nav>`,
  Thread: `<script>
    import { useConversation, useMessageIds } from '@lockstep/svelte'
    import Row from './Row.svelte.js'
    const { id, count } = $props()
    const opened = useConversation(() => id)
    const ids = useMessageIds(() => id)
    $effect(() => { ids.current; count('thread') })
  </script>
  <h1>{opened.current.conversation?.title}</h1>
  <ol>{#each ids.current as message_id (message_id)}<Row {id} {message_id} {count} />{/each}</ol>`,
  Hooks: `<script>
    import { useConnection, useConversations, useLockstep, useOutbox, usePreference, useSession } from '@lockstep/svelte'
    const { count } = $props()
    const length = ({ conversations }) => conversations.list('active').items.length
    const hooks = { useConversations: useConversations(), useConnection: useConnection(), useOutbox: useOutbox(), usePreference: usePreference('theme'), useSession: useSession(), useLockstep: useLockstep(length) }
    for (const [name, shown] of Object.entries(hooks)) $effect(() => { shown.current; count(name) })
  </script>`,
  Row: `<script>
    import { useMessage } from '@lockstep/svelte'
    const { id, message_id, count } = $props()
    const message = useMessage(() => id, () => message_id)
    $effect(() => { message.current; count(message_id) })
  </script>
  <li>{message.current?.content}</li>`,
}

export const svelteProgram = `import { target, window } from './dom.js'
import { mount as mountComponent, unmount } from 'svelte'
import App from './App.svelte.js'

async function mount({ target, ...props }) {
  const app = mountComponent(App, { target, props })
  return () => unmount(app)
}
${scenario}`

/**
 * Node resolves Svelte's build for servers, which mounts nothing. With this, it takes the other.
 */
export const svelteForTheDom = `import { registerHooks } from 'node:module'
registerHooks({
  resolve: (specifier, context, next) =>
    next(specifier, /^(svelte|esm-env)($|\\/)/.test(specifier)
      ? { ...context, conditions: [...context.conditions, 'browser'] }
      : context),
})`

export const persistedProgram = `import { persistedIn } from '@lockstep/persist/svelte'
  const texts = new Map()
  const storage = {
    getItem: (key) => texts.get(key) ?? null,
    setItem: (key, text) => texts.set(key, text),
    subscribe: () => () => {},
  }
  persistedIn(storage)('theme', 'light').set('dark')
  persistedIn(storage)('theme', 'light').subscribe((theme) => console.log(theme))`
