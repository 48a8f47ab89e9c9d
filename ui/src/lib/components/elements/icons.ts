// The icons of the first pages, as stroke paths in a box of 24 × 24. They are data, so that one
// small component draws all of them. The icons of other pages are in late-icons.ts.

/** SVG path data by name. */
export const icons = {
  agent:
    'M6 9h12a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2ZM12 9V5M12 5h.01M9 14v1.5M15 14v1.5',
  back: 'M14.5 5.5 8 12l6.5 6.5',
  check: 'm5 12.5 4.5 4.5L19 7.5',
  compose:
    'M11.5 5H6.5A2.5 2.5 0 0 0 4 7.5v10A2.5 2.5 0 0 0 6.5 20h10a2.5 2.5 0 0 0 2.5-2.5v-5M9.5 14.5l.6-2.9 7.6-7.6a1.6 1.6 0 0 1 2.3 2.3l-7.6 7.6z',
  chevronDown: 'm6.5 9.5 5.5 5.5 5.5-5.5',
  chevronRight: 'm9.5 6.5 5.5 5.5-5.5 5.5',
  close: 'm6.5 6.5 11 11M17.5 6.5l-11 11',
  copy: 'M9 9h9.5A1.5 1.5 0 0 1 20 10.5V19a1.5 1.5 0 0 1-1.5 1.5h-8A1.5 1.5 0 0 1 9 19zM9 15.5H5.5A1.5 1.5 0 0 1 4 14V5.5A1.5 1.5 0 0 1 5.5 4H14a1.5 1.5 0 0 1 1.5 1.5V9',
  desktop:
    'M4.5 5h15A1.5 1.5 0 0 1 21 6.5v8a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 14.5v-8A1.5 1.5 0 0 1 4.5 5ZM9 20h6M12 16v4',
  dots: 'M6 12h.01M12 12h.01M18 12h.01',
  down: 'M12 5v14M6 13.5l6 6 6-6',
  edit: 'M14.5 6 18 9.5M4.5 19.5l1-4.5L16 4.5a1.4 1.4 0 0 1 2 0l1.5 1.5a1.4 1.4 0 0 1 0 2L9 18.5z',
  lock: 'M8 11V8a4 4 0 0 1 8 0v3M6 11h12v9H6z',
  offline:
    'm4 4 16 16M8.5 15.5a5 5 0 0 1 5.5-1M5.5 12.5a9 9 0 0 1 4-2.3M14 10.3a9 9 0 0 1 4.5 2.2M12 19h.01',
  retry: 'M19 5v5h-5M18.5 10A7.5 7.5 0 1 0 19 14.5',
  search: 'M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM15.5 15.5 20 20',
  send: 'M12 19V5M6 11l6-6 6 6',
  sidebar: 'M6 5h12a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2ZM9.5 5v14',
  stop: 'M7.5 7.5h9v9h-9z',
  warning:
    'M12 9v4.5M12 17h.01M10.7 4.7 3.4 17.5A1.5 1.5 0 0 0 4.7 19.8h14.6a1.5 1.5 0 0 0 1.3-2.3L13.3 4.7a1.5 1.5 0 0 0-2.6 0Z',
} as const

export type FirstIconName = keyof typeof icons
