// A row of the threat model as something that a program can try: how its defence is removed, and
// which test must then fail.

/** One replacement in a source. */
export interface Edit {
  file: string
  /** Occurs exactly once in the file. */
  old: string
  now: string
}

/** Removes the defence that a row names, and nothing else. */
export interface Removal {
  /** The row's bold name, without a full stop. */
  row: string
  /** One edit for each check of the defence: a check that stays would still stop the attack. */
  edits: readonly Edit[]
  /** One of the row's tests: its file and the words of its name, as the row has them. */
  test: readonly [file: string, name: string]
  /** Words of the case that must fail, of a test with many cases. */
  only?: string
  /** The test looks at what all tests of its file have done, so all of them run. */
  wholeFile?: true
  /** What to know about the edits, such as why there are several. */
  note?: string
  /** What is built anew from the changed sources, besides what tests build by themselves. */
  needs?: 'ui'
}

/** A row whose defence no small change of a source can remove. */
export interface Unremovable {
  row: string
  reason: string
}

export type Row = Removal | Unremovable

export const isRemoval = (row: Row): row is Removal => 'edits' in row
