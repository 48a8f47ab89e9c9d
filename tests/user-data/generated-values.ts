// Generated values of exports. Each text has words of its own, so that a test can find them again.
import * as fc from 'fast-check'

/** A word that no other text has. */
export const word = fc.integer({ min: 36 ** 6, max: 36 ** 7 - 1 }).map((n) => `w${n.toString(36)}`)
export const wordPattern = /w[0-9a-z]{7}/g

export const words = fc.array(word, { minLength: 1, maxLength: 4 }).map((list) => list.join(' '))
const long = (min: number, max: number) =>
  fc.tuple(word, fc.integer({ min, max }), word).map(([a, n, b]) => `${a} ${'ü '.repeat(n)}${b}`)
/** Mostly short; some texts don't fit into metadata, and few don't fit into a message. */
export const text = fc.oneof(
  { weight: 30, arbitrary: words },
  { weight: 3, arbitrary: long(500, 2_000) },
  { weight: 2, arbitrary: long(20_000, 25_000) },
  { weight: 1, arbitrary: long(90_000, 180_000) },
)
/** The text of an answer, which may have thinking in it. */
export const answer = fc.oneof(
  { weight: 5, arbitrary: text },
  { weight: 1, arbitrary: fc.tuple(text, words).map(([a, b]) => `<think>\n${a}\n</think>\n${b}`) },
  { weight: 1, arbitrary: fc.tuple(words, words).map(([a, b]) => `${a}\n</think>\n${b}`) },
  { weight: 1, arbitrary: fc.tuple(words, words).map(([a, b]) => `:::thinking\n${a}\n:::\n${b}`) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(words, words, words)
      .map(
        ([a, b, c]) =>
          `${a}\n<details duration="2" type="reasoning">\n<summary>x</summary>\n&gt; ${b}\n</details>\n${c}`,
      ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(words, words)
      .map(([a, b]) => `${a} \ue200url\ue202${b}\ue202turn0search1\ue201.`),
  },
)

const anyName = fc.constantFrom(
  'note',
  'a.b',
  'a_b',
  '$set',
  'thinking_ms',
  'sources',
  'agent',
  'not_imported',
  'imported_from',
  'hidden_messages',
  'reason_code',
  'toString',
  'ünï',
)
export const { anyValue } = fc.letrec<{ anyValue: unknown }>((tie) => ({
  anyValue: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    text,
    fc.integer({ min: 100_000, max: 900_000 }),
    fc.array(tie('anyValue'), { maxLength: 3 }),
    fc.dictionary(anyName, tie('anyValue'), { maxKeys: 3 }),
  ),
}))
export const unknownFields = fc.dictionary(anyName, anyValue, { maxKeys: 2 })

/** An object with some of these fields, and with unknown ones. */
export const some = (
  fields: Record<string, fc.Arbitrary<unknown>>,
  required: string[] = [],
): fc.Arbitrary<Record<string, unknown>> =>
  fc
    .tuple(unknownFields, fc.record(fields, { requiredKeys: required }))
    .map(([unknown, known]) => ({ ...unknown, ...known }))

export const iso = fc
  .integer({ min: 1_600_000_000, max: 1_700_000_000 })
  .map((seconds) => new Date(seconds * 1000).toISOString())
export const seconds = fc.integer({ min: 1_600_000_000, max: 1_700_000_000 })
export const flag = fc.boolean()
export const file = some({
  name: words,
  file_name: words,
  type: fc.constantFrom('image', 'file'),
  url: words,
})
export const files = fc.array(file, { maxLength: 2 })
export const link = some({ url: word.map((each) => `https://example.com/${each}`), title: words })
export const links = fc.array(link, { maxLength: 2 })

/**
 * Messages with ids, each a child of an earlier one or of none, in any order.
 * @param wire adds a message's id and that of its parent
 */
export const treeOf = (
  message: fc.Arbitrary<Record<string, unknown>>,
  wire: (message: Record<string, unknown>, id: string, parent: string | null) => unknown,
): fc.Arbitrary<[id: string, message: unknown][]> =>
  fc
    .array(fc.tuple(message, word, fc.option(fc.nat({ max: 9 }))), { minLength: 1, maxLength: 7 })
    .chain((nodes) => {
      const entries = nodes.map(([fields, id, at], n): [string, unknown] => {
        const parent = at === null || at >= n ? null : nodes[at]![1]
        return [id, wire(fields, id, parent)]
      })
      return fc.shuffledSubarray(entries, { minLength: entries.length })
    })
