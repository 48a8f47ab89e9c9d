// A program of an adopter who has an app on the AI SDK: `useLockstepChat` in two tabs and, in a
// third one, the SDK's own `useChat` with Lockstep's transport. It plays a scenario and answers one
// line of JSON on its standard output. The comments of the scenario say what a person sees.

export const aiSdkProgram = `import { target, window } from './dom.js'
import { createElement as h, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { useChat } from '@ai-sdk/react'
import { createEngine } from '@lockstep/client'
import { cookieJar } from '@lockstep/client/node'
import { LockstepTransport, useLockstepChat } from '@lockstep/ai-sdk'

const [origin, username, password] = process.argv.slice(2)
const jar = cookieJar()
const open = []
const textOf = ({ parts }) => parts.map((part) => part.text ?? '').join('')
const until = async (holds, what) => {
  for (let n = 0; !holds(); n++) {
    if (n > 1500) throw new Error(what + ' did not come true: ' + JSON.stringify(open.map(({ chat }) => [chat?.status, chat?.messages.map(({ id }) => id), String(chat?.error)])))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** A tab of the browser. \`tab.chat\` is what its hook has returned last. */
async function openTab(use) {
  const engine = createEngine({ origin, ...jar })
  const tab = { engine, finished: [] }
  const Chat = () => {
    tab.chat = use(engine, (event) => tab.finished.push(event))
    return h('ol', null, tab.chat.messages.map((message) => h('li', { key: message.id }, textOf(message))))
  }
  await engine.start()
  const place = document.createElement('div')
  target.append(place)
  const root = createRoot(place)
  root.render(h(StrictMode, null, h(Chat)))
  tab.place = place
  tab.close = async () => {
    root.unmount()
    open.splice(open.indexOf(tab), 1)
    await engine.stop()
  }
  open.push(tab)
  await until(() => tab.chat, 'a rendered tab')
  return tab
}
const lockstepTab = () => openTab((engine, onFinish) => useLockstepChat({ engine, id: 'chat-1', onFinish }))
const plainTab = () => openTab((engine, onFinish) => useChat({ id: 'chat-1', transport: new LockstepTransport({ engine }), resume: true, onFinish }))
const last = ({ chat }) => chat.messages.at(-1)
const streams = (tab) => tab.chat.status === 'streaming' && textOf(last(tab)).length > 0

await createEngine({ origin, ...jar }).call('register', { body: { username, password } })
let [one, two] = [await lockstepTab(), await lockstepTab()]
const shown = []

// One tab sends. Both show the message and the reply while it comes.
const sending = one.chat.sendMessage({ text: '/demo long silent rate 30' })
await until(() => streams(one) && streams(two), 'a reply in both tabs')
shown.push(two.place.textContent.includes('/demo long'), one.chat.messages.length)

// The first tab is reloaded. It goes on with the reply.
const reply = last(two).id
await one.close()
await until(() => streams(two), 'a reply that goes on without its tab')
one = await lockstepTab()
await until(() => streams(one) && last(one).id === reply, 'the reply in the reloaded tab')
const before = textOf(last(one)).length
await until(() => textOf(last(one)).length > before, 'a reply that goes on')

// A third tab with the SDK's own hook takes the reply up too, from its beginning.
const plain = await plainTab()
await until(() => streams(plain), 'the resumed stream')
await until(() => textOf(last(plain)).length > before, 'the whole text')

// The second tab stops it. All three see that it has ended.
await two.chat.stop()
await until(() => [one, two, plain].every(({ chat }) => chat.status === 'ready'), 'the stop')
const stopped = textOf(last(two))
await until(() => textOf(last(one)) === stopped && textOf(last(plain)) === stopped, 'the same text')
shown.push(last(one).metadata.lockstep.status, stopped.length > 0, plain.finished.length)

// The tab that was reloaded has the next reply written, stops it by itself, and has it written anew.
void one.chat.sendMessage({ text: '/demo long silent rate 30' })
await until(() => streams(one) && one.chat.messages.length === 4, 'the second reply')
await until(() => streams(two) && two.chat.messages.length === 4, 'the second reply in the other tab')
await one.chat.stop()
await until(() => [one, two].every(({ chat }) => chat.status === 'ready'), 'the second stop')
const second = last(one).id
void two.chat.regenerate()
await until(() => streams(two) && last(two).id !== second, 'another version')
await until(() => streams(one) && last(one).id === last(two).id, 'the other version in the other tab')
shown.push(one.chat.messages.length)

// A plain \`useChat\` stops a reply that it has taken up, and asks for one itself.
await plain.close()
const again = await plainTab()
await until(() => streams(again), 'the stream that is taken up again')
await again.chat.stop()
await until(() => [one, two].every(({ chat }) => chat.status === 'ready'), 'the stop by the SDK itself')
shown.push(last(two).metadata.lockstep.status)
await again.chat.sendMessage({ text: '/demo list fast silent' })
await until(() => again.chat.status === 'ready' && textOf(last(again)) !== '' && last(again).role === 'assistant', 'the short reply')
await until(() => textOf(last(two)) === textOf(last(again)) && two.chat.status === 'ready', 'the short reply everywhere')
shown.push(one.chat.messages.length === two.chat.messages.length, one.place.textContent === two.place.textContent)

shown.push(two.engine.conversations.list('active').items.length)
await sending
console.log(JSON.stringify(shown))
for (const tab of [...open]) await tab.close()
await window.happyDOM.close()
`
