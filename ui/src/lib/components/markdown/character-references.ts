// Decodes character references such as `&eacute;`. Only references are parsed as HTML, many at a
// time, into a document that is never shown.

const references = /&(?:#\d{1,7}|#x[\da-f]{1,6}|[a-z][\da-z]{1,31});/gi
/** No reference by name stands for this private character. */
const separator = '\u{e000}'
/** With more names than this, all are forgotten: a text can contain any number of wrong ones. */
const maxKnown = 5_000

const known = new Map<string, string>()

/** By number: zero, surrogates and numbers above the last code point stand for U+FFFD. */
function decodeNumber(reference: string): string {
  const digits = reference.slice(2, -1)
  const code = /^x/i.test(digits) ? parseInt(digits.slice(1), 16) : Number(digits)
  const isInvalid = code === 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)
  return isInvalid ? '\ufffd' : String.fromCodePoint(code)
}

function decodeNames(names: readonly string[]): void {
  const page = new DOMParser().parseFromString(`<p>${names.join(separator)}`, 'text/html')
  const texts = page.body.textContent.split(separator)
  names.forEach((name, index) => known.set(name, texts[index] ?? name))
}

/** Decodes all references of a text at once, because one at a time costs a hundred times more. */
export function learnReferences(text: string): void {
  if (!text.includes('&')) return
  const names = new Set(text.match(references)?.filter((found) => found[1] !== '#'))
  const unknown = [...names].filter((name) => !known.has(name))
  if (unknown.length === 0) return
  if (known.size + unknown.length > maxKnown) known.clear()
  decodeNames([...names])
}

/** The text with its references replaced by what they stand for. Unknown names stay. */
export function decodeReferences(text: string): string {
  learnReferences(text)
  return text.replace(references, (found) =>
    found[1] === '#' ? decodeNumber(found) : (known.get(found) ?? found),
  )
}
