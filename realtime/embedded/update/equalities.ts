// The equalities of a filter, from which an upsert builds its document.
import { refusal } from '../errors.ts'
import type { Filter } from '../query/filter.ts'

/** The paths that a filter pins to one value, in the order of the filter. */
export function equalitiesOf(filter: Filter): Map<string, unknown> {
  const found = new Map<string, unknown>()
  const visit = (node: Filter): void => {
    if (node.kind === 'and') return node.filters.forEach(visit)
    if (node.kind === 'or' && node.filters.length === 1) return visit(node.filters[0]!)
    if (node.kind === 'in' && node.values.length === 1 && node.patterns.length === 0)
      return add(node.path, node.values[0])
    if (node.kind === 'compare' && node.op === 'eq') add(node.path, node.value)
  }
  const add = (path: string, value: unknown): void => {
    if (found.has(path))
      throw refusal(
        'NotSingleValueField',
        `cannot infer query fields to set, path '${path}' is matched twice`,
      )
    found.set(path, value)
  }
  visit(filter)
  return found
}
