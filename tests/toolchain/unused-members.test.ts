import ts from 'typescript'
import { expect, it } from 'vitest'
import { unusedMembers } from '../../tools/unused-members.ts'

/** The unused members in a program of these files, whose names may lie in any folder. */
function unusedIn(files: Record<string, string>, components: string[] = []): string[] {
  const options: ts.CompilerOptions = {
    noLib: true,
    allowImportingTsExtensions: true,
    noEmit: true,
  }
  const host: ts.CompilerHost = {
    ...ts.createCompilerHost(options),
    getCurrentDirectory: () => '/',
    directoryExists: () => true,
    fileExists: (name) => name.slice(1) in files,
    readFile: (name) => files[name.slice(1)],
    getSourceFile(name, target) {
      const text = files[name.slice(1)]
      return text === undefined ? undefined : ts.createSourceFile(name, text, target, true)
    },
  }
  const names = Object.keys(files).map((name) => `/${name}`)
  return unusedMembers(ts.createProgram(names, options, host), '/', components)
}

it('names members of classes that nothing outside the class reads', () => {
  const files = {
    'a.ts': `export class Door {
      open() { this.inner() }
      inner() {}
      shut() {}
      #hidden() {}
      static build() { return new Door() }
    }`,
    'b.ts': `import { Door } from './a.ts'
      Door.build().open()`,
  }
  expect(unusedIn(files)).toEqual(['a.ts:3 Door.inner', 'a.ts:4 Door.shut'])
})

it('distinguishes members of the same name in different classes', () => {
  const files = {
    'a.ts': `class A { up = 1 }
      class B { up = 1 }
      new B().up`,
  }
  expect(unusedIn(files)).toEqual(['a.ts:1 A.up'])
})

it('counts a use through an interface for everything that satisfies it, and for nothing else', () => {
  const files = {
    'a.ts': `interface Stoppable { stop(): void }
      class Server { stop() {} }
      class Brake { stop(hard: boolean) {} }
      export const timer = { stop() {} }
      export const end = (one: Stoppable) => one.stop()`,
  }
  expect(unusedIn(files)).toEqual(['a.ts:3 Brake.stop'])
})

it('names functions of interfaces that nobody calls, and ignores data', () => {
  const files = {
    'a.ts': `export interface Feed { stop(): void; pause: () => void; size: number }
      export const end = ({ stop }: Feed) => stop()`,
  }
  expect(unusedIn(files)).toEqual(['a.ts:1 Feed.pause'])
})

it('names members of exported constants, unless the constant is used as a whole', () => {
  const files = {
    'a.ts': `export const limits = { used: 1, unused: 2 } as const
      export const table = { a: 1 }
      export const spread = { b: 1 }
      const local = { c: 1 }`,
    'b.ts': `import { limits, spread, table } from './a.ts'
      export const x = (key: 'a') => [limits.used, table[key], { ...spread }]`,
  }
  expect(unusedIn(files)).toEqual(['a.ts:1 limits.unused'])
  const namespace = "import * as a from './a.ts'\nexport const { limits } = a"
  expect(unusedIn({ ...files, 'c.ts': namespace })).toEqual([])
})

it('counts destructuring, named access by index and type arguments', () => {
  const files = {
    'a.ts': `export class A { one = 1; two = 2; three = 3; four = 4 }
      export function f(a: A) { const { one, two: renamed } = a; return a['three'] }
      export type Four = A['four']`,
  }
  expect(unusedIn(files)).toEqual([])
})

it('ignores members that another package requires', () => {
  const files = {
    'node_modules/runner/runner.d.ts': `export interface Reporter { onEnd(): void }
      export interface Server<Events> { events: Events }`,
    'a.ts': `import type { Reporter, Server } from './node_modules/runner/runner'
      export class Mine implements Reporter { onEnd() {} }
      interface Events { sync(): void }
      export let server: Server<Events>`,
  }
  expect(unusedIn(files)).toEqual([])
})

it('counts the members that Svelte components read', () => {
  const files = {
    'a.ts': `export class List { read = 1; bound = 2; not = 3 }
      export const words = { all: 1 }`,
  }
  const component = `<script>const { bound } = list</script>{list.read} not {words[key]}`
  expect(unusedIn(files, [component])).toEqual(['a.ts:1 List.not'])
})

it('counts a read by a name that is only known when it runs as a use of every member', () => {
  const files = {
    'a.ts': `interface Hands { press(): void; shut(): void }
      interface Feet { go(): void }
      export const call = (hands: Hands, name: keyof Hands) => hands[name]()`,
  }
  expect(unusedIn(files)).toEqual(['a.ts:2 Feet.go'])
})
