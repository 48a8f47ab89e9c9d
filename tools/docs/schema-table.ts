// JSON schemas as tables of fields.
import { cell, fileName, table } from './page.ts'

export interface Schema {
  $ref?: string
  type?: string | string[]
  description?: string
  properties?: Record<string, Schema>
  required?: readonly string[]
  items?: Schema
  oneOf?: readonly Schema[]
  anyOf?: readonly Schema[]
  allOf?: readonly Schema[]
  enum?: readonly unknown[]
  const?: unknown
  format?: string
  default?: unknown
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  maxItems?: number
  additionalProperties?: boolean | Schema
}

const DEPTH = 4

export class SchemaTables {
  readonly #shapes: string

  /** @param shapes where the page of the named schemas is, as the tables' page sees it */
  constructor(shapes: string) {
    this.#shapes = shapes
  }

  /** The fields of a schema, or its kind if it is no object. */
  fields(schema: Schema): string {
    const one = schema.oneOf ?? schema.anyOf
    if (one?.every(({ $ref }) => $ref))
      return `One of:\n\n${one.map((each) => `- ${this.kind(each)}`).join('\n')}`
    const rows = this.#rows(schema, '', 0)
    if (rows.length > 0) return table(['Field', 'Kind', 'What it is'], rows)
    return [this.kind(schema), schema.description && cell(schema.description)]
      .filter(Boolean)
      .join(': ')
  }

  #rows(schema: Schema, prefix: string, depth: number): string[][] {
    const alternatives = schema.oneOf ?? schema.anyOf ?? schema.allOf
    if (!schema.properties && alternatives && depth < DEPTH)
      return alternatives.flatMap((one, index) =>
        one.$ref
          ? [[`*${index === 0 ? 'either' : 'or'}*`, this.kind(one), cell(one.description ?? '')]]
          : this.#rows(one, prefix, depth),
      )
    return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
      const optional = schema.required?.includes(name) ? '' : '?'
      const own = [
        `\`${prefix}${name}\`${optional}`,
        this.kind(field),
        cell(field.description ?? ''),
      ]
      const inner = field.items?.properties ? field.items : field
      const suffix = field.items?.properties ? '[].' : '.'
      if (!inner.properties || depth >= DEPTH) return [own]
      return [own, ...this.#rows(inner, `${prefix}${name}${suffix}`, depth + 1)]
    })
  }

  kind(schema: Schema): string {
    if (schema.$ref) {
      const name = schema.$ref.slice(schema.$ref.lastIndexOf('/') + 1)
      return `[${name}](${this.#shapes}#${fileName(name)})`
    }
    if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``
    if (schema.enum) return schema.enum.map((value) => `\`${String(value)}\``).join(', ')
    const alternatives = schema.oneOf ?? schema.anyOf
    if (alternatives) return alternatives.map((one) => this.kind(one)).join(' or ')
    if (schema.items) return `list of ${this.kind(schema.items)}`
    const { type, format, minimum, maximum, minLength, maxLength } = schema
    const limits = [
      minimum !== undefined && minimum > -Number.MAX_SAFE_INTEGER && `from ${minimum}`,
      maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER && `to ${maximum}`,
      minLength !== undefined && `from ${minLength} letters`,
      maxLength !== undefined && `to ${maxLength} letters`,
      schema.default !== undefined && `by default \`${JSON.stringify(schema.default)}\``,
    ].filter(Boolean)
    const name = [type].flat().join(' or ') || 'any JSON'
    return [format ? `${name} (${format})` : name, ...limits].join(', ')
  }
}
