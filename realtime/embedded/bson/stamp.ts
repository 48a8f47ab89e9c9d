// Empty timestamps, which a server replaces by the present time when a document is stored.
import { Timestamp } from 'bson'
import { Doc, Field } from './doc.ts'

let count = 0

function isEmptyStamp({ name, value }: Field): boolean {
  return name !== '_id' && value instanceof Timestamp && value.isZero()
}

/** The document with the present time in place of each empty timestamp at its top level. */
export function stamped(doc: Doc): Doc {
  if (!doc.fields.some(isEmptyStamp)) return doc
  return Doc.from(
    doc.fields.map((field) => {
      if (!isEmptyStamp(field)) return field
      const now = new Timestamp({ t: Math.floor(Date.now() / 1000), i: ++count })
      return Field.of(field.name, now)
    }),
  )
}

/** The document with `_id` as its first field. `makeId` is asked if it has none. */
export function withIdFirst(doc: Doc, makeId: () => unknown): Doc {
  if (doc.firstName === '_id') return doc
  const own = doc.fields.find(({ name }) => name === '_id')
  return Doc.from([
    own ?? Field.of('_id', makeId()),
    ...doc.fields.filter((field) => field !== own),
  ])
}
