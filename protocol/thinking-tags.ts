// How models write their thinking into an answer: between two tags, which depend on the model. The
// reader of streams and that of imported texts know the same ones.

export interface ThinkingTags {
  open: string
  close: string
}

export const thinkingTags: readonly ThinkingTags[] = [
  { open: '<think>', close: '</think>' },
  { open: '<thinking>', close: '</thinking>' },
  { open: '<thought>', close: '</thought>' },
  { open: '<reasoning>', close: '</reasoning>' },
  { open: '<seed:think>', close: '</seed:think>' },
  { open: '[THINK]', close: '[/THINK]' },
  { open: '◁think▷', close: '◁/think▷' },
  {
    open: '<|channel|>analysis<|message|>',
    close: '<|end|><|start|>assistant<|channel|>final<|message|>',
  },
]

/** The tags with which a text begins. */
export const tagsAtStart = (text: string): ThinkingTags | undefined =>
  thinkingTags.find(({ open }) => text.startsWith(open))

/** Whether a line is only a closing tag. Four spaces would make it code. */
export const isClosingLine = (line: string): boolean =>
  !/^ {4}|^ *\t/.test(line) && thinkingTags.some(({ close }) => line.trim() === close)
