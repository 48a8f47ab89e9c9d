import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { expect, it } from 'vitest'
import { readableLine } from '../../realtime/observability/terminal.ts'
import { freshDatabase } from '../harness/database.ts'
import { startProcess } from '../harness/processes.ts'
import { programPath } from '../harness/programs.ts'

const read = (line: object) => stripVTControlCharacters(readableLine(JSON.stringify(line)))
const time = '2026-11-28T09:30:00.000Z'

it('a log line is shown with its time, level, message and details', () => {
  expect(read({ level: 40, time, pid: 1, msg: 'the lease is given up', range: '0/1' })).toBe(
    '09:30:00 warning the lease is given up range=0/1\n',
  )
})

it('an error is shown with its stack', () => {
  const err = { message: 'gone', stack: 'Error: gone\n    at somewhere' }
  expect(read({ level: 50, time, msg: 'failed', err })).toBe(
    '09:30:00 error failed\nError: gone\n    at somewhere\n',
  )
})

it('a line that is not JSON is left as it is', () => {
  expect(readableLine('plain text\n')).toBe('plain text\n')
})

it('a node at a terminal says once, and last, where it is, also after requests', async () => {
  const database = freshDatabase()
  // `script` gives the program a terminal
  await using node = await startProcess({
    command: 'script',
    args: ['-qfec', `${process.execPath} ${programPath('main')}`, '/dev/null'],
    env: {
      PORT: '0',
      MONGODB_URL: database.url,
      DATA_DIR: join(tmpdir(), 'lockstep-test-nothing-is-written-here'),
      SESSION_SECRET: 'a secret that only the tests of Lockstep know',
      NODE_ENV: 'test',
    },
  })
  const line = await node.line(/ is at http:/, { within: 90_000 })
  const [url] = /http:\/\/\S+/.exec(line) ?? []
  expect((await fetch(`${url}/users/me`)).status).toBe(401)
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  const shown = node.output.map((text) => stripVTControlCharacters(text)).join('\n')
  expect(shown).not.toMatch(/^\{/m)
  expect(
    shown
      .trim()
      .split('\n')
      .filter((text) => text.includes(url!)),
  ).toHaveLength(1)
  expect(shown.trim().split('\n').at(-1)).toContain(`Lockstep is at ${url}`)
})
