// The limits under one name. What pages load takes them from limit-values.ts itself, because not
// every bundler leaves out the unused ones of a namespace that another module exports.
import * as limits from './limit-values.ts'

export { limits }
