// The address that a user asked for while signed out, carried by the sign-in page.
import { expect, test } from 'vitest'
import { returnAddress, signInAddress, withReturnAddress } from '../../ui/src/lib/return-address.ts'

const origin = 'https://chat.example'
const queryOf = (address: string) => new URL(address, origin).searchParams

test.each([
  '/app/c/0199?q=a%26b',
  '/app/settings/account',
  '/app/c/0199/history#end',
  '/app/c/%E0%A4%A',
])('signing in leads back to %s, also by way of the sign-up page', (wanted) => {
  const signIn = signInAddress('ended', new URL(wanted, origin))
  expect(queryOf(signIn).has('ended')).toBe(true)
  const signUp = withReturnAddress('/app/sign-up', queryOf(signIn))
  for (const address of [signIn, signUp])
    expect(returnAddress(queryOf(address), origin)).toBe(wanted)
})

test.each(['/', '/app', '/app/', '/app/sign-in', '/app/sign-up?deleted'])(
  'there is nothing to return to at %s',
  (path) => {
    expect(signInAddress(undefined, new URL(path, origin))).toBe('/app/sign-in')
  },
)

test.each([
  'https://evil.example/app/c/1',
  '//evil.example/app/c/1',
  '/\\evil.example/app/c/1',
  'javascript:alert(1)',
  '/auth/logout',
  '/app/../users/me/export',
  '/app/sign-in?return=/app/c/1',
  'http://[',
])('a link to the sign-in page can’t lead to %s', (wanted) => {
  expect(returnAddress(new URLSearchParams({ return: wanted }), origin)).toBe('/app')
})
