import address from 'katex/dist/katex.min.css?url'

/** Resolves when formulas look right. */
export const loadMathStyles = (): Promise<void> =>
  new Promise((resolve, reject) => {
    const link = document.createElement('link')
    link.rel = 'stylesheet'
    link.href = address
    link.onload = () => resolve()
    link.onerror = () => {
      link.remove()
      reject(new Error('the styles of formulas could not be loaded'))
    }
    document.head.append(link)
  })
