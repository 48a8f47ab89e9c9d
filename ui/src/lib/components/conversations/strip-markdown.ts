/**
 * A markdown text as one line of plain text, for lists. Only markup is removed, so the text stays
 * searchable. The text may be cut off anywhere, so what is open at its end counts as closed.
 */
export const stripMarkdown = (preview: string): string =>
  preview
    .replace(/^[ \t]*(?:```|~~~)[^\n]*$/gm, ' ')
    .replace(/^[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t:|-]*)?$/gm, ' ')
    .replace(/^[ \t]*(?:[*_-][ \t]*){3,}$/gm, ' ')
    .replace(/^[ \t]*\[[^\]\n]+\]:[ \t]*\S.*$/gm, ' ')
    .replace(/^[ \t]*(?:#{1,6}(?:[ \t]|$)|>[ \t]?|[-*+][ \t]|\d{1,9}[.)][ \t])+/gm, '')
    .replace(/^[ \t]*\[[ xX]\][ \t]/gm, '')
    .replace(/!?\[([^\]\n]*)\](?:\([^)\n]*(?:\)|$)|\[[^\]\n]*\])/g, '$1')
    .replace(/<((?:https?:|mailto:)[^>\s]*)>?/g, '$1')
    .replace(/<\/?[a-zA-Z][^<>\n]*(?:>|$)/g, '')
    .replace(/(\*\*|__|~~|`+|\$\$|\\[()[\]])/g, '')
    .replace(/(^|[\s(])[*_](\S[^*_\n]*)[*_](?=\W|$)/g, '$1$2')
    .replace(/[ \t]*\|[ \t]*/g, ' ')
    .replace(/\\([!-/:-@[-`{-~])/g, '$1')
    .replace(/\s+/g, ' ')
    .trim()
