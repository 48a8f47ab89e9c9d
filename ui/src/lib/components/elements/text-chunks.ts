// Cuts long plain text into pieces, which styles/markdown.css lays out only near the viewport.

const maxLines = 100
const maxLength = 8_000

/** The pieces in order; joined, they are the text. Pieces end with a line, or at least a word. */
export function textChunks(text: string): string[] {
  const chunks: string[] = []
  let start = 0
  while (start < text.length) {
    const limit = start + maxLength
    let end = start
    for (let line = 0; line < maxLines && end < text.length; line++) {
      const next = text.indexOf('\n', end) + 1
      if (next === 0 || next > limit) {
        const isFirst = end === start
        const space = isFirst ? text.lastIndexOf(' ', limit) + 1 : end
        end = text.length <= limit ? text.length : space > start ? space : limit
        break
      }
      end = next
    }
    chunks.push(text.slice(start, end))
    start = end
  }
  return chunks
}
