// The floor that Lockstep is compared with: the least that any program needs to keep a change and
// show it to the user's other devices. One `insertOne` (majority, journaled), one change stream,
// one Socket.IO emit; no sign-in, no log, no order, no catching up.
//
// MONGODB_URL names the database. The address is written to the standard output.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { MongoClient } from 'mongodb'
import { Server } from 'socket.io'
import { newId } from '@lockstep/protocol/ids'
import { topics } from '@lockstep/protocol/topics'

interface Entry {
  _id: string
  user_id: string
  content: string
  sent: string
}

const client = new MongoClient(process.env.MONGODB_URL!, {
  writeConcern: { w: 'majority', journal: true },
})
const entries = client.db().collection<Entry>('floor')
const http = createServer()
const io = new Server(http, {
  transports: ['websocket'],
  perMessageDeflate: false,
  httpCompression: false,
})

for (const topic of topics)
  io.of(`/${topic}`).on('connection', (socket) => {
    const { user_id } = socket.handshake.auth as { user_id: string }
    void socket.join(user_id)
    socket.on('append', ({ content, sent }: Entry, ack: (answer: object) => void) => {
      const entry = { _id: newId(), user_id, content, sent }
      entries.insertOne(entry).then(
        () => ack({ ok: true }),
        () => ack({ ok: false }),
      )
    })
    socket.emit('sync', {})
  })

await client.db().createCollection('floor')
const stream = entries.watch<Entry>([{ $match: { operationType: 'insert' } }])
stream.on('change', (event) => {
  if (event.operationType !== 'insert') return
  io.of('/conversations').to(event.fullDocument.user_id).emit('change', event.fullDocument)
})
await new Promise((resolve) => stream.once('resumeTokenChanged', resolve))
http.listen(0, '127.0.0.1', () => {
  process.stdout.write(`is at http://127.0.0.1:${(http.address() as AddressInfo).port}\n`)
})
