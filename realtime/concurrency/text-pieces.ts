// A text cut into pieces that overlap, for patterns that take long on some texts: others have a
// turn between two pieces.

/**
 * UTF-16 units of a piece, and of its end that the next piece repeats. A longer match isn't found.
 */
const PIECE = 16 * 1024
const OVERLAP = 4 * 1024

export function* piecesOf(text: string): Generator<{ start: number; piece: string }> {
  for (let start = 0; start < text.length; start += PIECE - OVERLAP)
    yield { start, piece: text.slice(start, start + PIECE) }
}
