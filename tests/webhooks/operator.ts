// The host's server that makes webhooks with its service key.
import { createHash, randomBytes } from 'node:crypto'
import type { Topic } from '@lockstep/protocol/topics'
import type { Answer } from '@lockstep/protocol/rest'
import { request } from '../harness/person.ts'

export const serviceKey = `lsk_${randomBytes(32).toString('base64url')}`
export const serviceKeys = [createHash('sha256').update(serviceKey).digest('hex')]
const authorization = `Bearer ${serviceKey}`

export const operate = <Body = Record<string, unknown>>(
  node: { url: string },
  ...[method, path, body, headers = {}]: [string, string, unknown?, object?]
) => request<Body>(node.url + path, method, body, { authorization, ...headers })

export async function makeWebhook(
  node: { url: string },
  url: string,
  topics: readonly Topic[] = ['conversations'],
): Promise<Answer<'createWebhook'>> {
  const { status, body } = await operate<Answer<'createWebhook'>>(node, 'POST', '/webhooks', {
    ...{ url, topics },
  })
  if (status !== 201) throw new Error(`POST /webhooks: ${status} ${JSON.stringify(body)}`)
  return body
}

export async function listedWebhook(node: { url: string }, id: string) {
  const { body } = await operate<Answer<'listWebhooks'>>(node, 'GET', '/webhooks')
  return body.items.find((each) => each.id === id)!
}
