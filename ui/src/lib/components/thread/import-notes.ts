// Reads what an import put into metadata. Anybody can write metadata, so each value is checked.
import type { Message } from '@lockstep/protocol/message'

export type Metadata = Message['metadata']

export interface ShownSource {
  /** http or https. */
  url?: string
  host?: string
  title: string
}

export function sourcesIn({ sources }: Metadata): ShownSource[] {
  return listOf(sources).flatMap((source) => {
    const { url, title } = fieldsOf(source)
    const address = typeof url === 'string' ? webAddress(url) : undefined
    const name = typeof title === 'string' && title.trim() !== '' ? title : address?.host
    if (name === undefined) return []
    return [{ title: name, ...(address && { url: address.href, host: address.host }) }]
  })
}

export const missingIn = ({ not_imported }: Metadata): string[] => [
  ...new Set(listOf(not_imported).filter((name) => typeof name === 'string')),
]

export function partIn({ imported_part }: Metadata): { number: number; of: number } | undefined {
  const { number, of } = fieldsOf(imported_part)
  return typeof number === 'number' && typeof of === 'number' ? { number, of } : undefined
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

const fieldsOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? { ...value } : {}

/** The address, if a person may follow it. */
export function webAddress(text: string): URL | undefined {
  const url = URL.parse(text)
  return url && /^https?:$/.test(url.protocol) ? url : undefined
}
