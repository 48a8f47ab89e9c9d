// A program with the panel of @lockstep/devtools in a DOM without a browser, and a second device
// that records without a panel. It answers one line of JSON: whether the panel shows a
// message's text before and after its entry is opened, and what is left when it is removed.
export const devtoolsProgram = `
import { window, target } from './dom.js'
import { connectBySocketIo, createEngine } from '@lockstep/client'
import { cookieJar } from '@lockstep/client/node'
import { mountDevtools, startRecorder } from '@lockstep/devtools'
import { createWire } from '@lockstep/devtools/wire'

globalThis.CSSStyleSheet = window.CSSStyleSheet
const [origin, username, password] = process.argv.slice(2)
const device = () => {
  const jar = cookieJar()
  const wire = createWire(connectBySocketIo(origin, jar))
  const engine = createEngine({ origin, ...jar, connect: wire.connect })
  return { engine, recorder: startRecorder(engine, wire) }
}
const [laptop, phone] = [device(), device()]
const until = async (holds) => {
  for (let n = 0; !holds(); n++) {
    if (n > 1000) throw new Error(target.firstElementChild.shadowRoot.textContent)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
await laptop.engine.call('register', { body: { username, password } })
await phone.engine.call('login', { body: { username, password } })
const remove = mountDevtools({ ...laptop, element: target })
await Promise.all([laptop, phone].map(({ engine }) => engine.start()))
await until(() => laptop.engine.account.presence.size === 1 && phone.engine.account.presence.size === 1)

const root = target.firstElementChild.shadowRoot
const rows = (caption) =>
  [...root.querySelectorAll('table')]
    .find((table) => table.querySelector('caption').textContent === caption)
    .querySelectorAll('tbody tr')
const latency = () => rows('Latency')[0]?.textContent ?? ''
laptop.engine.conversations.create({ messages: [{ role: 'user', content: 'Very private words' }] })
await until(() => /createThis device\\d+ ms\\d+ ms\\d+ ms\\S.* \\d+ ms/.test(latency()))
const change = [...rows('Log')].find((row) => row.cells[1].textContent === 'change')
const shownBefore = root.textContent.includes('Very private words')
const details = change.querySelector('details')
details.open = true
details.dispatchEvent(new window.Event('toggle'))
const shownOpened = root.textContent.includes('Very private words')
remove()
console.log(JSON.stringify([shownBefore, shownOpened, target.children.length]))
await Promise.all([laptop, phone].map(({ engine, recorder }) => (recorder.stop(), engine.stop())))
`
