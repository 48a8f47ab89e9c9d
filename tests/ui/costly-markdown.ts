// Texts that make parsers of markdown slow: what is opened and not closed, nested deeply, or
// referred to often.

/** The length of the longest texts that must be cheap, in characters. */
export const longText = 200_000

const repeated = (piece: string, length: number): string =>
  piece.repeat(Math.ceil(length / piece.length)).slice(0, length)

/** By name: the text of about the given length. */
export const costlyTexts: Record<string, (length: number) => string> = {
  'destinations that never end': (length) => repeated('[a](b', length),
  'destinations in angles that never end': (length) => repeated('[a](<b', length),
  'titles that never end': (length) => repeated('[a](b "c', length),
  'nested lists': (length) =>
    Array.from({ length: Math.sqrt(2 * length) }, (_, depth) => `${' '.repeat(depth)}- a`).join(
      '\n',
    ),
  'lists in one line': (length) => repeated('- ', length),
  'numbered lists in one line': (length) => repeated('1. ', length),
  'quotes in one line': (length) => repeated('> ', length),
  'quotes in many lines': (length) => repeated(`${'> '.repeat(30)}a\n`, length),
  'lines that continue deep quotes': (length) => '> '.repeat(30) + repeated('a\n', length),
  'emphasis that is never closed': (length) => repeated('_a __b ', length),
  'emphasis that is never opened': (length) =>
    repeated('*a ', length / 2) + repeated('b* ', length / 2),
  'emphasis within emphasis': (length) =>
    repeated('*a _b ', length / 2) + repeated('b_ a* ', length / 2),
  'strikethrough that is never closed': (length) => repeated('~~a ~', length),
  'runs of backticks of every length': (length) =>
    Array.from({ length: Math.sqrt(2 * length) }, (_, count) => `${'`'.repeat(count)} `).join(''),
  'brackets that never close': (length) => repeated('[', length),
  'brackets before links': (length) => repeated('[', length / 2) + repeated('[a](b)', length / 2),
  'images within images': (length) => repeated('![a', length / 2) + repeated('](b)', length / 2),
  'brackets that name nothing': (length) => `[a]: b\n\n${repeated('[a] [b] [[', length)}`,
  definitions: (length) => repeated('[a]: b "c\n', length),
  'comments that never end': (length) => repeated('a <!-- <? <!A ', length),
  'tags that never end': (length) => repeated("<a b='<a b=' ", length),
  'a table of many columns': (length) =>
    `${repeated('|a', length / 3)}\n${repeated('|-', length / 3)}\n${repeated('|x\n', length / 3)}`,
  'a table of many rows': (length) => `|a|b|\n|-|-|\n${repeated('|a\n', length)}`,
  'many short items': (length) => repeated('- a\n', length),
  'many headings': (length) => repeated('# a #\n', length),
  'many underlined headings': (length) => repeated('a\n=\n', length),
  'many lines': (length) => repeated('a\n', length),
  'many words': (length) => repeated('words and *emphasis* and `code` ', length),
  'many characters without a space': (length) => repeated('abc', length),
  'wrong character references': (length) =>
    Array.from({ length: length / 7 }, (_, index) => `&a${index.toString(36)};`).join(''),
  addresses: (length) => repeated('http://a.b) www.c a@b.c ', length),
  'spaces within a heading': (length) => `# a${repeated(' ', length)}b`,
  tabs: (length) => `- ${repeated('\t', length)}a`,
  'code in every language': (length) => repeated('```js\nlet a = `${"\n```\n', length),
}
