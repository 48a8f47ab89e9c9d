import { describe, expect, test } from 'vitest'
import { changesState, originAllowed } from '../../realtime/auth/origin.ts'

const host = 'chat.example.org'

describe('without PUBLIC_ORIGIN the request’s own host counts', () => {
  test.each([
    ['no origin: a program', undefined, host],
    ['https', 'https://chat.example.org', host],
    ['http', 'http://chat.example.org', host],
    ['a port', 'http://127.0.0.1:3000', '127.0.0.1:3000'],
    ['the default port said aloud', 'http://chat.example.org', 'chat.example.org:80'],
    ['another case', 'https://chat.example.org', 'Chat.Example.ORG'],
    ['IPv6', 'http://[::1]:3000', '[::1]:3000'],
  ])('%s is allowed', (_what, origin, asked) => {
    expect(originAllowed(origin, asked, [])).toBe(true)
  })

  test.each([
    ['null', 'null', host],
    ['another host', 'https://evil.example', host],
    ['a host that begins alike', 'https://chat.example.org.evil.example', host],
    ['a subdomain', 'https://a.chat.example.org', host],
    ['another port', 'http://127.0.0.1:5173', '127.0.0.1:3000'],
    ['a file', 'file://', host],
    ['an extension', 'chrome-extension://abcdef', host],
    ['nonsense', 'chat.example.org', host],
    ['credentials', 'https://x@chat.example.org', host],
    ['a path', 'https://chat.example.org/', host],
    ['an empty one', '', host],
    ['no host', 'https://chat.example.org', undefined],
    ['a host with a path', 'https://chat.example.org', 'chat.example.org/@evil'],
  ])('%s is foreign', (_what, origin, asked) => {
    expect(originAllowed(origin, asked, [])).toBe(false)
  })
})

describe('with PUBLIC_ORIGIN', () => {
  const allowed = ['https://chat.example.org', 'http://localhost:5173']

  test('only listed origins are allowed, and the Host header is not trusted', () => {
    expect(originAllowed('https://chat.example.org', 'whatever', allowed)).toBe(true)
    expect(originAllowed('http://localhost:5173', 'whatever', allowed)).toBe(true)
    expect(originAllowed('http://chat.example.org', 'chat.example.org', allowed)).toBe(false)
    expect(originAllowed('https://rebound.example', 'rebound.example', allowed)).toBe(false)
    expect(originAllowed('null', undefined, allowed)).toBe(false)
    expect(originAllowed(undefined, undefined, allowed)).toBe(true)
  })
})

test('the scheme must match if a trusted proxy reports it', () => {
  expect(originAllowed('https://chat.example.org', host, [], 'https')).toBe(true)
  expect(originAllowed('http://chat.example.org', host, [], 'https')).toBe(false)
})

test('only reading methods ignore the origin', () => {
  expect(['GET', 'HEAD', 'OPTIONS'].map(changesState)).toEqual([false, false, false])
  expect(['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE'].map(changesState)).toEqual([
    true,
    true,
    true,
    true,
    true,
  ])
})
