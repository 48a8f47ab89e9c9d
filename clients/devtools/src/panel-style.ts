// The panel's look, in a shadow root: the page's rules don't reach it. It takes the page's font and
// colours, and is dark where the page is.
export const panelStyle = `
:host { display: block; color: inherit; font: inherit; }
section { margin-block-end: 1.5rem; }
header { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: baseline; }
h2 { font-size: 1.05em; margin: 0 0 0.35rem; flex: 1; }
p { margin: 0.5rem; opacity: 0.8; }
.hint { margin: 0 0 0.5rem; font-size: 0.85em; max-inline-size: 70ch; }
button {
  font: inherit; color: inherit; background: transparent; cursor: pointer;
  border: 1px solid currentColor; border-radius: 0.4rem; padding: 0.3rem 0.8rem; min-block-size: 2.25rem;
}
:focus-visible { outline: 2px solid Highlight; outline-offset: 2px; }
.scroller {
  overflow: auto; max-block-size: 22rem; border-radius: 0.5rem;
  border: 1px solid color-mix(in srgb, currentColor 25%, transparent);
}
table { border-collapse: collapse; inline-size: 100%; font-size: 0.85em; font-variant-numeric: tabular-nums; }
caption { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); }
th, td {
  text-align: start; vertical-align: top; padding: 0.3rem 0.6rem; white-space: nowrap;
  border-block-end: 1px solid color-mix(in srgb, currentColor 12%, transparent);
}
th { position: sticky; inset-block-start: 0; background: Canvas; font-weight: 600; }
summary { cursor: pointer; }
pre { margin: 0.3rem 0; white-space: pre-wrap; overflow-wrap: anywhere; max-inline-size: 60ch; }
`
