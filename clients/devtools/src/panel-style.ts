// The panel's look, in a shadow root: the page's rules don't reach it. It takes the page's font and
// colours, and is dark where the page is. A page whose ground isn't the browser's names its own:
// `--devtools-ground`, `--devtools-line` and `--devtools-muted`.
export const panelStyle = `
:host {
  display: block; color: inherit; font: inherit; container-type: inline-size;
  --ground: var(--devtools-ground, Canvas);
  --line: var(--devtools-line, color-mix(in srgb, currentColor 20%, transparent));
  --muted: var(--devtools-muted, color-mix(in srgb, currentColor 75%, transparent));
}
section { margin-block-end: 1.75rem; }
header { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; margin-block-end: 0.5rem; }
h2 { font-size: 1rem; font-weight: 600; margin: 0; flex: 1; }
p { margin: 0; padding: 0.75rem; color: var(--muted); }
.hint { margin: 0 0 0.75rem; padding: 0; font-size: 0.8125rem; max-inline-size: 70ch; text-wrap: pretty; }
button {
  font: inherit; font-size: 0.8125rem; font-weight: 500; color: inherit; background: var(--ground);
  cursor: pointer; border: 1px solid var(--line); border-radius: 0.5rem;
  padding: 0.25rem 0.75rem; min-block-size: 2rem;
}
button:hover, tbody tr:hover { background: color-mix(in srgb, currentColor 6%, var(--ground)); }
:focus-visible { outline: 2px solid Highlight; outline-offset: 2px; }
.scroller {
  overflow: auto; overscroll-behavior-inline: contain; max-block-size: 24rem;
  background: var(--ground); border: 1px solid var(--line); border-radius: 0.75rem;
}
table { border-collapse: separate; border-spacing: 0; inline-size: 100%; font-size: 0.8125rem; font-variant-numeric: tabular-nums; }
caption { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { text-align: start; vertical-align: top; padding: 0.4rem 0.75rem; white-space: nowrap; }
/* Times, ids and names are read in their own direction, on the page's side. */
td { unicode-bidi: plaintext; text-align: left; }
td:dir(rtl) { text-align: right; }
th {
  position: sticky; inset-block-start: 0; z-index: 1; background: var(--ground);
  color: var(--muted); font-weight: 500; border-block-end: 1px solid var(--line);
}
tr + tr > td { border-block-start: 1px solid var(--line); }
summary { cursor: pointer; }
pre {
  direction: ltr; text-align: left;
  margin: 0.3rem 0; white-space: pre-wrap; overflow-wrap: anywhere;
  inline-size: min(60ch, 70vw); font-size: 0.75rem;
}
/* On a phone, each row is a list of what it has: nobody scrolls sideways. */
@container (max-width: 40rem) {
  thead { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, td { display: block; }
  tr {
    display: grid; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr));
    gap: 0.5rem 0.75rem; padding: 0.75rem;
  }
  tr + tr { border-block-start: 1px solid var(--line); }
  tr + tr > td { border: 0; }
  td { padding: 0; min-inline-size: 0; white-space: normal; overflow-wrap: anywhere; }
  td::before { content: attr(data-column); display: block; color: var(--muted); font-size: 0.75rem; }
  td[data-text=''] { display: none; }
  td:has(details[open]) { grid-column: 1 / -1; }
  pre { inline-size: auto; }
}
@media (pointer: coarse) {
  button { min-block-size: 2.75rem; min-inline-size: 2.75rem; }
  @container (min-width: 40.01rem) { th, td { padding-block: 0.7rem; } }
}
`
