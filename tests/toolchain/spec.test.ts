// protocol/SPEC.md says what other programs may rely on, and protocol/*.ts implements it. Their
// tables must not differ.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type * as z from 'zod'
import { WireChange } from '@lockstep/protocol/change'
import { topicTable } from '@lockstep/protocol/topic-table'
import { Trace } from '@lockstep/protocol/traces'
import { wireCommands } from '@lockstep/protocol/commands'
import { DraftNotice } from '@lockstep/protocol/drafts'
import { errors } from '@lockstep/protocol/error-codes'
import { limits } from '@lockstep/protocol/limits'
import { routes, type Route } from '@lockstep/protocol/rest'
import { Delta, Draining, Head, Presence, RangeRequest, Sync } from '@lockstep/protocol/sync'

const spec = readFileSync(path.join(import.meta.dirname, '../../protocol/SPEC.md'), 'utf8')

/**
 * The rows of the table in a section, without its head. A cell that is empty in the first column
 * repeats the one above it.
 */
function tableOf(heading: string): string[][] {
  const [, section = ''] = spec.split(new RegExp(`^#+ ${heading}$`, 'm'))
  const [text = ''] = section.split(/^#+ /m)
  const rows = [...text.matchAll(/^\|(.*)\|$/gm)].map(([, row = '']) =>
    row.split(/(?<!\\)\|/).map((cell) => cell.trim()),
  )
  let first = ''
  return rows.slice(2).map(([cell = '', ...rest]) => [(first = cell || first), ...rest])
}

const plain = (cell = ''): string => cell.replaceAll(/[`⁺]/g, '')

/** The names in a shape such as `{a, b?: [c], d}`, except those in inner braces. */
function fieldsIn(cell: string): string[] {
  const inner = /`\{(.*?)\}`(?!\])/.exec(cell)?.[1] ?? ''
  return inner
    .replaceAll(/[[{][^[\]{}]*[\]}]/g, '')
    .split(',')
    .map((field) => field.replace(/:.*/, '').trim())
    .filter((field) => field !== '')
}

/** The names of an object's fields, with `?` after optional ones. */
const fieldsOf = (schema: z.ZodObject): string[] =>
  Object.entries(schema.shape).map(([name, field]) =>
    (field as z.ZodType).isOptional() ? `${name}?` : name,
  )

it('has the codes of errors.ts with their status', () => {
  const described = tableOf('Errors').map(([code, status, retryable, closes]) => [
    plain(code),
    Number(status),
    retryable === 'retryable',
    closes === 'closes',
  ])
  const built = Object.entries(errors).map(([code, { status, retryable, closes }]) => [
    code,
    status,
    retryable,
    closes,
  ])
  expect(described.sort()).toEqual(built.sort())
})

it('has the limits of limits.ts', () => {
  const units: Record<string, number> = { KB: 1024, MB: 1024 ** 2 }
  const described = tableOf('Limits').map(([name, value = '']) => {
    const [number = '', unit] = value.split(' ')
    return [plain(name), Number(number.replaceAll(',', '')) * (unit ? units[unit]! : 1)]
  })
  expect(Object.fromEntries(described)).toEqual({ ...limits })
})

describe('the routes', () => {
  const rows = new Map(tableOf('Routes').map(([request, ...rest]) => [plain(request), rest]))
  const all: [string, Route][] = Object.values(routes).map((route: Route) => [
    `${route.method} ${route.path}`,
    route,
  ])

  it('are those of rest.ts', () => {
    expect([...rows.keys()].sort()).toEqual(all.map(([request]) => request).sort())
  })

  it.each(all)('%s has its status and every parameter of its query', (request, route) => {
    const [input = '', response] = rows.get(request) ?? []
    expect(response).toMatch(new RegExp(`^${route.status}\\b`))
    const described = [...input.matchAll(/[?&](\w+)/g)].map(([, name]) => name)
    expect(described.sort()).toEqual(Object.keys(route.query?.shape ?? {}).sort())
  })
})

it('has the events of the sockets with their fields', () => {
  const described = tableOf('Events').map(([event, payload]) => [plain(event), fieldsIn(payload!)])
  expect(Object.fromEntries(described)).toEqual({
    sync: fieldsOf(Sync),
    change: fieldsOf(WireChange),
    head: fieldsOf(Head),
    delta: fieldsOf(Delta),
    presence: fieldsOf(Presence),
    draft: fieldsOf(DraftNotice),
    trace: fieldsOf(Trace),
    draining: fieldsOf(Draining),
  })
})

it('has each op of each topic, with the fields of its data', () => {
  /** These carry a whole entity, whose fields are among the shapes of SPEC.md. */
  const whole = ['conversations created', 'conversations restored', 'agents created']
  const described = tableOf('Changes').map(([topic, op, data]) => {
    const name = `${plain(topic)} ${plain(op)}`
    return [name, whole.includes(name) ? 'whole' : fieldsIn(data!)]
  })
  const expected = Object.entries(topicTable).flatMap(([topic, { changes: ops }]) =>
    Object.entries<z.ZodObject>(ops).map(([op, schema]) => {
      const name = `${topic} ${op}`
      return [name, whole.includes(name) ? 'whole' : fieldsOf(schema)]
    }),
  )
  expect(Object.fromEntries(described)).toEqual(Object.fromEntries(expected))
})

describe('the commands', () => {
  const rows = tableOf('Commands').map(([namespace, command, fields]) => ({
    name: `${plain(namespace).replace('/', '')} ${plain(command)}`,
    fields: fieldsIn(fields!).sort(),
    isLogged: !fields!.includes('not logged'),
  }))

  it('are those of the sockets, with their fields', () => {
    const built = Object.entries(wireCommands).flatMap(([topic, ofTopic]) =>
      Array.from(ofTopic, ([command, { schema, logged }]) => ({
        name: `${topic} ${command}`,
        fields: fieldsOf(schema)
          .filter((field) => !field.startsWith('mutation_id'))
          .sort(),
        isLogged: logged,
      })),
    )
    const range = { name: 'all range', fields: fieldsOf(RangeRequest).sort(), isLogged: false }
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)
    expect(rows.sort(byName)).toEqual([...built, range].sort(byName))
  })
})

it('has no rule of the log, the gateway or clients that the conformance kit neither judges nor lists', () => {
  const kit = path.join(import.meta.dirname, '../../clients/conformance/README.md')
  const rulesIn = (text: string, form: RegExp) =>
    new Set(Array.from(text.matchAll(form), ([, rule]) => rule!))
  const rules = rulesIn(spec, /^- \*\*((?:LOG|GATE|CLIENT)-\d+)\*\*/gm)
  expect(rules.size).toBeGreaterThan(20)
  const listed = rulesIn(readFileSync(kit, 'utf8'), /`((?:LOG|GATE|CLIENT)-\d+)`/g)
  expect(rules.difference(listed)).toEqual(new Set())
})
