import { parseSetCookie } from 'cookie'
import { describe, expect, test, vi } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import {
  SESSION_COOKIE,
  createSessionCookie,
  SESSION_SECONDS,
} from '../../realtime/auth/session-cookie.ts'

const first = 'the first secret, 32 characters or more'
const second = 'the second secret, 32 characters or more'
const third = 'the third secret, 32 characters or more'

const issued = async (secrets: string[], session_id: string, secure = false) => {
  const cookie = await createSessionCookie(secrets).issue(session_id, secure)
  return { cookie, header: cookie.split(';')[0]! }
}

describe('the session cookie', () => {
  test('names a session and is inaccessible to scripts and other sites', async () => {
    const id = newId()
    const { cookie, header } = await issued([first], id)
    expect(parseSetCookie(cookie)).toMatchObject({
      name: SESSION_COOKIE,
      httpOnly: true,
      sameSite: 'lax',
      path: '/',
      maxAge: SESSION_SECONDS,
    })
    expect(cookie).not.toMatch(/secure/i)
    expect(cookie).not.toContain(id)
    expect(await createSessionCookie([first]).read(`other=1; ${header}; more=2`)).toMatchObject([
      { session_id: id },
    ])
  })

  test('is Secure for requests over https, also when it is cleared', async () => {
    expect((await issued([first], newId(), true)).cookie).toMatch(/; Secure/)
    const cleared = createSessionCookie([first]).clear(true)
    expect(parseSetCookie(cleared)).toMatchObject({
      value: '',
      maxAge: 0,
      secure: true,
      path: '/',
      httpOnly: true,
    })
  })

  test('is always Secure if every page is served over https, even if the last hop is not', async () => {
    const cookie = createSessionCookie([first], Date.now, true)
    expect(await cookie.issue(newId(), false)).toMatch(/; Secure/)
    expect(parseSetCookie(cookie.clear(false))).toMatchObject({ value: '', secure: true })
  })

  test('is read with any secret in use and sealed with the newest', async () => {
    const id = newId()
    const old = await issued([first], id)
    expect(await createSessionCookie([second, first]).read(old.header)).toMatchObject([
      { session_id: id },
    ])
    const renewed = await issued([second, first], id)
    expect(await createSessionCookie([second]).read(renewed.header)).toMatchObject([
      { session_id: id },
    ])
    expect(await createSessionCookie([first]).read(renewed.header)).toEqual([])
    expect(await createSessionCookie([third, second]).read(renewed.header)).toMatchObject([
      { session_id: id },
    ])
  })

  test('is ignored if it is forged, altered, missing or nonsense', async () => {
    const { header } = await issued([first], newId())
    const cookie = createSessionCookie([first])
    const middle = Math.floor(header.length / 2)
    const touched =
      header.slice(0, middle) + (header[middle] === 'A' ? 'B' : 'A') + header.slice(middle + 1)
    for (const bad of [
      undefined,
      '',
      'a',
      `${SESSION_COOKIE}=`,
      `${SESSION_COOKIE}=x`,
      `${SESSION_COOKIE}=Fe26.2*1*a*b*c**d*e~2`,
      touched,
    ])
      expect(await cookie.read(bad)).toEqual([])
    expect(await createSessionCookie([second]).read(header)).toEqual([])
  })

  test('is found after other cookies of its name, up to a limit', async () => {
    const cookie = createSessionCookie([first])
    const [one, two] = [newId(), newId()]
    const headers = [(await issued([first], one)).header, (await issued([first], two)).header]
    const junk = (count: number) =>
      Array.from({ length: count }, (_, i) => `${SESSION_COOKIE}=junk${i}`)
    const read = (pairs: string[]) => cookie.read(pairs.join('; '))
    expect(await read([...junk(3), headers[0]!, 'other=1', headers[1]!])).toMatchObject([
      { session_id: one },
      { session_id: two },
    ])
    expect(await read([...junk(100), headers[0]!])).toEqual([])
  })

  test('derives keys when it is read for the first time, and expires all the same', async () => {
    let now = Date.now()
    const cookie = createSessionCookie([first], () => now)
    const id = newId()
    const header = (await cookie.issue(id, false)).split(';')[0]!
    const derive = vi.spyOn(crypto.subtle, 'deriveKey')
    expect(await cookie.read(header)).toMatchObject([{ session_id: id }])
    const once = derive.mock.calls.length
    expect(once).toBeGreaterThan(0)
    for (let time = 0; time < 10; time++)
      expect(await cookie.read(header)).toMatchObject([{ session_id: id }])
    expect(derive.mock.calls.length).toBe(once)
    expect(await cookie.read(header.slice(0, -10))).toEqual([])
    now += SESSION_SECONDS * 1_000
    vi.setSystemTime(now + 120_000) // beyond the seal's tolerance of clocks
    expect(await cookie.read(header)).toEqual([])
    vi.useRealTimers()
    derive.mockRestore()
  })
})
