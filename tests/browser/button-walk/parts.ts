// The parts of the walk. The file of a group's name walks its parts; the files run side by side.
// Every attempt at a part has an account of its own, so that a second one finds what the first one
// found.
import { agentScenes } from './agent-scenes.ts'
import { conflictScenes } from './conflict-scenes.ts'
import { encryptionScenes } from './encryption-scenes.ts'
import { frameScenes, phoneScenes } from './frame-scenes.ts'
import { farewellScenes, pageScenes } from './page-scenes.ts'
import { refusalScenes } from './refusal-scenes.ts'
import { securityScenes } from './security-scenes.ts'
import { signInScenes } from './sign-in-scenes.ts'
import { threadScenes } from './thread-scenes.ts'
import type { WalkAccount } from './walk-account.ts'
import type { Scene } from './walk.ts'

export type ScenesOf = (account: WalkAccount) => Scene[]

export const parts = {
  frame: {
    // The page is signed out at the end.
    'around every page and of those who aren’t signed in': [frameScenes, signInScenes],
    'that only a phone has': [phoneScenes],
  },
  chats: {
    'of plain, encrypted and contested chats': [threadScenes, conflictScenes, encryptionScenes],
  },
  refusals: { 'of what the server refused': [refusalScenes] },
  pages: {
    'of agents, runs, the history and the settings': [agentScenes, pageScenes],
    // The account is deleted at the end.
    'of passkeys, the second step and the account': [securityScenes, farewellScenes],
  },
} satisfies Record<string, Record<string, ScenesOf[]>>

/** What can be pressed, in all parts. */
export const allScenes = (account: WalkAccount): Scene[] =>
  Object.values(parts)
    .flatMap((group) => Object.values<ScenesOf[]>(group).flat())
    .flatMap((scenesOf) => scenesOf(account))
