// Makes a token count once, on whichever node it is used: its use is stored. Only a hash is kept,
// and only as long as the token could be used again.
import { createHash } from 'node:crypto'
import { MongoServerError } from 'mongodb'
import type { Database } from './database.ts'
import type { HostMoment } from './documents.ts'

/** Names a token: its kind, and what makes it unique within that kind. */
export type TokenName = readonly [kind: string, ...parts: string[]]

const idOf = (name: TokenName): string =>
  createHash('sha256').update(JSON.stringify(name)).digest('base64url')

/** Uses a token up. False if it has been used before. */
export async function spendToken(
  { spent_tokens }: Database,
  name: TokenName,
  expires_at: Date,
): Promise<boolean> {
  try {
    await spent_tokens.insertOne({ _id: idOf(name), expires_at })
    return true
  } catch (error) {
    if (error instanceof MongoServerError && error.code === 11000) return false
    throw error
  }
}

export const isTokenSpent = async ({ spent_tokens }: Database, name: TokenName): Promise<boolean> =>
  (await spent_tokens.findOne({ _id: idOf(name) })) !== null

/** Notes when something has ended, if that isn't noted with a later time. */
export async function noteEnd(
  { spent_tokens }: Database,
  name: TokenName,
  { issued, at }: HostMoment,
  expires_at: Date,
): Promise<void> {
  await spent_tokens.updateOne(
    { _id: idOf(name) },
    { $max: { 'ended.issued': issued, 'ended.at': at, expires_at } },
    { upsert: true },
  )
}

export const findEnd = async (
  { spent_tokens }: Database,
  name: TokenName,
): Promise<HostMoment | undefined> => (await spent_tokens.findOne({ _id: idOf(name) }))?.ended

/** For a use that failed, so that it can be tried again. */
export async function returnToken({ spent_tokens }: Database, name: TokenName): Promise<void> {
  await spent_tokens.deleteOne({ _id: idOf(name) })
}
