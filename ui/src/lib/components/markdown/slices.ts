// Does work of the page in slices, so that the page stays responsive meanwhile. The work is a
// generator that pauses often.

/** In milliseconds; then the page may do other things. */
const sliceMs = 10

/**
 * Does the first slice at once, and the others in tasks of their own. The returned function ends
 * the work early.
 */
export function workInSlices(work: Generator<void, void>): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  const doSlice = () => {
    const end = performance.now() + sliceMs
    while (performance.now() < end) if (work.next().done) return
    timer = setTimeout(doSlice)
  }
  doSlice()
  return () => clearTimeout(timer)
}
