// Says why a whole file can't be imported. Operators read the reason in English. The page reads the
// code, and has a sentence for each code in each language.
import { Fault } from '@lockstep/protocol/errors'

const sentences = {
  no_conversations: 'contains no conversations',
  index_only: 'only lists the files of the export: download those that it names and choose them',
  not_zip: 'is not a complete ZIP archive',
  archive_too_large: 'is too large to be opened there: unpack it and choose it by itself',
  damaged: 'is damaged',
  not_json: 'is not JSON, or it is cut off',
  unreadable: 'could not be read',
}
export type FileProblem = keyof typeof sentences

export class UnreadableFile extends Fault {
  readonly problem: FileProblem
  /** Its name, with the archives that it is in. */
  readonly file: string

  constructor(problem: FileProblem, file: string, cause?: unknown) {
    super('invalid', { detail: `${file} ${sentences[problem]}` }, cause)
    this.problem = problem
    this.file = file
  }

  /** It can be read, and there are no conversations in it. */
  get isEmpty(): boolean {
    return this.problem === 'no_conversations' || this.problem === 'index_only'
  }
}
