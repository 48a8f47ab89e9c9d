// ChatGPT and LibreChat mark citations in a text with characters for private use:
//   U+E200 kind U+E202 argument U+E202 argument … U+E201   a marker; U+E202 alone is a short one
//   U+E203 … U+E204                                        the words that a citation is about
//   【12†source】, 【4:0†guide.pdf】                         a marker of earlier years
//   :contentReference[oaicite:0]{index=0}                  a marker that lost its source
// What is meant for people stays: the name of an entity, the label of an address. The sources
// themselves are kept as the product lists them.

const anyMarker = /[\ue200-\ue206]|【\d|oaicite:/
/** A number, a cross and a place within a source, in brackets that no language puts around them. */
const plainMarker =
  /[ \t]?(?:【\d+(?::\d+)*†[^【】\n]*】|【oaicite:\d+】|:contentReference\[oaicite:\d+\](?:\{index=\d+\})?)/g
const marker = /[ \t]?\ue200([^\ue200\ue201]*)\ue201/g
/** A short marker, or one that was cut off. Only names of sources are sure to belong to it. */
const shortMarker = /[ \t]?(?:\ue200[a-z_]*)?(?:\ue202(?:turn\d+[a-z_]+\d*)?)+|\ue200[a-z_]*$/gi
/** How ChatGPT names a source within its turn. */
const sourceName = /^(?:turn\d+[a-z_]+\d*(?:[,\s]+|$))+$/i

export interface UnmarkedText {
  text: string
  /** The markers that were taken out. */
  markers: string[]
}

export function withoutMarkers(content: string): UnmarkedText {
  if (!anyMarker.test(content)) return { text: content, markers: [] }
  const markers: string[] = []
  const words = content.replaceAll(marker, (whole, inner: string) => {
    markers.push(whole.trim())
    const said = wordsIn(inner)
    return said === '' ? '' : `${/^[ \t]/.exec(whole)?.[0] ?? ''}${said}`
  })
  const unmarked = words.replaceAll(plainMarker, (whole) => {
    markers.push(whole.trim())
    return ''
  })
  const text = unmarked.replaceAll(shortMarker, '').replaceAll(/[\ue200-\ue206]/g, '')
  return { text, markers }
}

/** What a marker says to people. */
function wordsIn(inner: string): string {
  const [kind = '', ...given] = inner.split('\ue202')
  if (kind.endsWith('cite')) return ''
  for (const argument of given.map((text) => text.trim())) {
    const value = parseIfJson(argument)
    if (typeof value === 'string') {
      if (value !== '' && !sourceName.test(value)) return value
    } else {
      const name = nameIn(value)
      if (name !== undefined) return name
    }
  }
  return ''
}

/** The name in an entity's `[kind, name, …]` or a product's `[source, name]`. */
function nameIn(value: unknown): string | undefined {
  const second: unknown = Array.isArray(value) ? value[1] : undefined
  return typeof second === 'string' && !sourceName.test(second) ? second : undefined
}

function parseIfJson(text: string): unknown {
  if (!/^[[{]/.test(text)) return text
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
