// What a designer would mark on any page, found by measuring: text that is cut without a way to
// read it, controls that leave the page or lie over others, small targets for a finger, buttons of
// different heights in one row, titles that are said twice, and what a right-to-left page doesn't
// mirror.
import type { Page } from 'playwright-core'

/** The least width and height that a finger needs, in CSS pixels. */
const smallestTarget = 44
/** The least height of a row where the user has chosen many of them (WCAG 2.5.8). */
const smallestRow = 24

/** The faults of the page as it is shown now, one line each. */
export const layoutFaults = (page: Page): Promise<string[]> =>
  page.evaluate(
    ([smallestTarget, smallestRow]) => {
      const faults = new Set<string>()
      const nameOf = (element: Element): string => {
        const text = element.getAttribute('aria-label') ?? element.textContent ?? ''
        const of =
          element.className && typeof element.className === 'string' ? element.className : ''
        const kind = `${element.localName}${of && `.${of.replace(/ ?\bs-\w{5}\b/g, '')}`}`
        return `${kind} “${text.trim().replace(/\s+/g, ' ').slice(0, 40)}”`
      }
      const isShown = (element: Element): boolean =>
        element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
        getComputedStyle(element).clipPath === 'none' &&
        !element.closest('.visually-hidden, .skip, .katex-mathml, [aria-hidden="true"]')
      /** What scrolls sideways by itself may be wider than the page. */
      const scrollsSideways = (element: Element | null): boolean =>
        element !== null &&
        (['auto', 'scroll'].includes(getComputedStyle(element).overflowX)
          ? element.matches('pre, .table, .math, textarea')
          : scrollsSideways(element.parentElement))
      const all = [...document.body.querySelectorAll<HTMLElement>('*')].filter(isShown)

      // Nothing leaves the page.
      for (const element of all) {
        const { left, right, width, height } = element.getBoundingClientRect()
        if (width === 0 || height === 0 || element.closest('svg')) continue
        if (element.parentElement?.closest('.ellipsis, .clamp')) continue
        if ((left < -0.5 || right > innerWidth + 0.5) && !scrollsSideways(element))
          faults.add(`leaves the page: ${nameOf(element)}`)
      }

      // Cut text ends with an ellipsis, and a tooltip has the whole.
      for (const element of all) {
        const style = getComputedStyle(element)
        const isClamped = style.webkitLineClamp !== 'none'
        if (!isClamped && !['hidden', 'clip'].includes(style.overflowX)) continue
        if (!element.textContent?.trim() || element.matches('main, .shell, .palette')) continue
        const isCut = isClamped
          ? element.scrollHeight > element.clientHeight + 1
          : element.scrollWidth > element.clientWidth + 1
        if (!isCut) continue
        element.dispatchEvent(new PointerEvent('pointerover', { bubbles: true }))
        if (!isClamped && style.textOverflow !== 'ellipsis')
          faults.add(`is cut without an ellipsis: ${nameOf(element)}`)
        else if (!element.closest('[title]'))
          faults.add(`is cut without a tooltip: ${nameOf(element)}`)
      }

      // Controls: big enough for a finger, and nothing of another lies over them.
      const controls = all.filter(
        (element) =>
          element.matches('button, a, input, select, textarea, summary, [role=switch]') &&
          getComputedStyle(element).display !== 'inline',
      )
      if (matchMedia('(pointer: coarse)').matches)
        for (const control of controls) {
          // A label is a part of its field's target.
          const { width, height } = (control.closest('label') ?? control).getBoundingClientRect()
          if (control.matches('[type=range]') || control.closest('.markdown a')) continue
          const isDense = control.closest('[data-density=compact] [data-row]') !== null
          const least = isDense ? smallestRow : smallestTarget
          if (width < smallestTarget - 0.5 || height < least - 0.5)
            faults.add(
              `is small for a finger (${Math.round(width)} × ${Math.round(height)}): ${nameOf(control)}`,
            )
        }

      // Buttons beside each other have the same height.
      for (const button of controls.filter((control) => control.matches('.button')))
        for (const other of button.parentElement?.querySelectorAll(':scope > .button') ?? []) {
          const [a, b] = [button.getBoundingClientRect(), other.getBoundingClientRect()]
          const areBeside = a.right <= b.left && a.top < b.bottom && b.top < a.bottom
          if (areBeside && isShown(other) && (a.height !== b.height || a.top !== b.top))
            faults.add(`differ in height: ${nameOf(button)} and ${nameOf(other)}`)
        }

      // What floats lies over no text.
      const texts = all.filter((element) =>
        [...element.childNodes].some((node) => node instanceof Text && node.data.trim() !== ''),
      )
      for (const floating of all) {
        const { position } = getComputedStyle(floating)
        if (position !== 'fixed' && !(position === 'absolute' && floating.matches('.jumps')))
          continue
        const box = floating.getBoundingClientRect()
        if (box.width === 0 || box.height === 0) continue
        for (const text of texts) {
          if (floating.contains(text)) continue
          const { left, right, top, bottom } = text.getBoundingClientRect()
          if (left < box.right && right > box.left && top < box.bottom && bottom > box.top)
            faults.add(`${nameOf(floating)} lies over ${nameOf(text)}`)
        }
      }

      // Ways to other pages stand on one line, and times leave most of a row to its title.
      for (const way of all.filter((element) => element.matches('nav > a'))) {
        const words = document.createTreeWalker(way, NodeFilter.SHOW_TEXT)
        const line = document.createRange()
        while (words.nextNode()) {
          line.selectNodeContents(words.currentNode)
          const tops = [...line.getClientRects()].map(({ top }) => Math.round(top))
          if (new Set(tops).size > 1) faults.add(`wraps: ${nameOf(way)}`)
        }
      }
      for (const time of all.filter((element) => element.matches('[data-row] time'))) {
        const row = time.closest('[data-row]')!.getBoundingClientRect()
        if (time.getBoundingClientRect().width > row.width / 6)
          faults.add(`takes much of its row: ${nameOf(time)}`)
      }

      // A page says its title once.
      const headings = all.filter((element) => element.matches('main h1, main h2'))
      const titles = headings.map((heading) => heading.innerText.trim())
      for (const title of titles)
        if (title && titles.indexOf(title) !== titles.lastIndexOf(title))
          faults.add(`is said twice: “${title}”`)
      return [...faults]
    },
    [smallestTarget, smallestRow] as const,
  )

/**
 * Turns the page around and turns it back. Whatever isn't where a mirror would show it is a fault.
 * The texts stay as they are, so that only the direction differs.
 */
export const mirrorFaults = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    // What finds its direction by its text isn't turned around.
    const elements = [
      ...document.querySelectorAll<HTMLElement>(
        'header, main, aside, h1, h2, button, a, input, select, textarea, .panel, .panel-text, svg',
      ),
    ].filter(
      (element) =>
        element.checkVisibility({ visibilityProperty: true }) &&
        getComputedStyle(element).display !== 'inline' &&
        !element.closest('.visually-hidden, .skip, .markdown') &&
        !element.parentElement?.closest('[dir]:not(html)'),
    )
    const measure = () => elements.map((element) => element.getBoundingClientRect())
    const root = document.documentElement
    const before = measure()
    root.dir = root.dir === 'rtl' ? 'ltr' : 'rtl'
    const after = measure()
    // What a field says while it is empty is the page's, so it begins where the page's texts begin.
    const unturned = [
      ...document.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>(
        'input[placeholder], textarea[placeholder]',
      ),
    ].filter((field) => field.value === '' && getComputedStyle(field).direction !== root.dir)
    root.dir = root.dir === 'rtl' ? 'ltr' : 'rtl'
    const placeholders = unturned.map((field) => `isn’t turned around: “${field.placeholder}”`)
    return placeholders.concat(
      elements.flatMap((element, index) => {
        const [a, b] = [before[index]!, after[index]!]
        const isMirrored =
          Math.abs(innerWidth - a.right - b.left) <= 1.5 && Math.abs(a.width - b.width) <= 1.5
        const text = (element.getAttribute('aria-label') ?? element.innerText ?? '').slice(0, 40)
        return isMirrored
          ? []
          : [
              `isn’t mirrored: ${element.localName}.${element.getAttribute('class')} “${text}” ` +
                `${Math.round(a.left)}–${Math.round(a.right)} → ${Math.round(b.left)}–${Math.round(b.right)}`,
            ]
      }),
    )
  })
