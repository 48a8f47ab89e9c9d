// Something that a person has asked for and waits for: whether it is under way, and why the last
// attempt failed.
import { explainFault } from './fault-texts.ts'

export class Attempt {
  isBusy = $state(false)
  /** A sentence for the person; '' if there is nothing to say. */
  problem = $state('')

  /**
   * Never rejects.
   * @param explain says what went wrong if the action fails
   */
  async run(
    action: () => Promise<unknown>,
    explain: (error: unknown) => string = explainFault,
  ): Promise<void> {
    this.isBusy = true
    this.problem = ''
    try {
      await action()
    } catch (error) {
      this.problem = explain(error)
    } finally {
      this.isBusy = false
    }
  }
}
