// Reads one line of markdown by columns, because a tab reaches to the next multiple of four.

const codeIndent = 4

export class LineCursor {
  readonly text: string
  offset = 0
  column = 0
  /** The offset and column of the next character that is neither a space nor a tab. */
  #nextOffset = 0
  #nextColumn = 0
  #isInsideTab = false

  constructor(text: string) {
    this.text = text
    this.#findNext()
  }

  /** How many columns of white space come next. */
  get indent(): number {
    return this.#nextColumn - this.column
  }
  get isIndented(): boolean {
    return this.indent >= codeIndent
  }
  get isBlank(): boolean {
    return this.#nextOffset === this.text.length
  }
  /** The next character that is neither a space nor a tab. */
  get next(): string {
    return this.text[this.#nextOffset] ?? ''
  }
  /** The rest of the line. The part of a tab that isn't consumed yet becomes spaces. */
  get rest(): string {
    if (!this.#isInsideTab) return this.text.slice(this.offset)
    return ' '.repeat(4 - (this.column % 4)) + this.text.slice(this.offset + 1)
  }
  /** The rest of the line after its white space. */
  get trimmedRest(): string {
    return this.text.slice(this.#nextOffset)
  }

  #findNext(): void {
    let { offset, column } = this
    for (; offset < this.text.length; offset++) {
      const char = this.text[offset]
      if (char === ' ') column += 1
      else if (char === '\t') column += 4 - (column % 4)
      else break
    }
    this.#nextOffset = offset
    this.#nextColumn = column
  }

  /** Consumes columns, and perhaps a part of a tab. */
  skipColumns(count: number): void {
    while (count > 0 && this.offset < this.text.length) {
      if (this.text[this.offset] === '\t') {
        const width = 4 - (this.column % 4)
        this.#isInsideTab = width > count
        this.column += Math.min(width, count)
        if (!this.#isInsideTab) this.offset += 1
        count -= width
      } else {
        this.#isInsideTab = false
        this.offset += 1
        this.column += 1
        count -= 1
      }
    }
    this.#findNext()
  }
  /** Consumes the white space. */
  skipSpace(): void {
    this.offset = this.#nextOffset
    this.column = this.#nextColumn
    this.#isInsideTab = false
  }
  /** Consumes characters that are neither spaces nor tabs. */
  skip(characters: number): void {
    this.skipSpace()
    this.offset += characters
    this.column += characters
    this.#findNext()
  }
  /** Consumes a space or one column of a tab, if one comes next. */
  skipOneSpace(): void {
    if (this.indent > 0) this.skipColumns(1)
  }
}
