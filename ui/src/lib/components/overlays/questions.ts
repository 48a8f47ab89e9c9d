// Questions that a person must answer before something goes on. QuestionDialog.svelte shows them.
import { t } from '../../texts.ts'
import { overlays, type Question } from './overlays.svelte.ts'

let lastAnswer: Promise<unknown> = Promise.resolve()

/**
 * Asks a question once all earlier questions are answered. Resolves with the answer's value, or
 * with undefined if the user closes the question.
 */
export function ask<Answer extends string>(
  question: Question<Answer>,
): Promise<Answer | undefined> {
  const answered = lastAnswer.then(() => show(question))
  lastAnswer = answered
  return answered
}

function show<Answer extends string>(question: Question<Answer>): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    overlays.question = {
      question,
      answer: (value) => {
        overlays.question = undefined
        resolve(value as Answer | undefined)
      },
    }
  })
}

/** Asks for confirmation of a drastic action. Resolves with true if the user confirms it. */
export async function confirmed(title: string, text: string, label: string): Promise<boolean> {
  const answers = [
    { value: 'no', label: t('common.cancel') },
    { value: 'yes', label, emphasis: 'danger' as const },
  ]
  return (await ask({ title, text, answers })) === 'yes'
}
