/** A Node program with two devices of a new user: what one writes, the other shows. */
export const twoDevices = `import { createEngine } from '@lockstep/client'
import { cookieJar } from '@lockstep/client/node'

const [origin, username, password] = process.argv.slice(2)
const device = () => createEngine({ origin, ...cookieJar() })
const [phone, laptop] = [device(), device()]
const until = async (holds) => { while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20)) }

await phone.call('register', { body: { username, password } })
await laptop.call('login', { body: { username, password } })
const states = await Promise.all([phone.start(), laptop.start()])
await until(() => [phone, laptop].every(({ connection }) => connection === 'live'))

const { id } = phone.conversations.create({ title: 'From outside' })
await until(() => laptop.conversations.list('active').items.some((conversation) => conversation.id === id))
await laptop.conversations.open(id)
const outcome = await phone.conversations.append(id, { role: 'user', content: 'Hello' }).outcome
await until(() => laptop.conversations.get(id).messages.some(({ content }) => content === 'Hello'))

console.log(outcome.ok && states.every(({ name }) => name === 'ready') ? 'ok' : \`\${JSON.stringify({ states, outcome })}\`)
await Promise.all([phone.stop(), laptop.stop()])
`
