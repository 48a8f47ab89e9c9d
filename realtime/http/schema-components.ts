// JSON schemas of the wire, made from zod: what OpenAPI and AsyncAPI documents have under `components.schemas`.
import * as z from 'zod'
import { limits } from '@lockstep/protocol/limits'
import { FreeForm } from '@lockstep/protocol/scalars'

export type Schema = Record<string, unknown>
const PREFIX = '#/components/schemas/'

/** Named schemas, each once. What is asked and what is answered may differ under the same name: then the former is `<name>Input`. */
export class SchemaComponents {
  readonly schemas: Record<string, Schema> = { FreeForm: freeForm }

  /** The schema of a body, an answer or a parameter, with references to the named ones. */
  add(schema: z.ZodType, io: 'input' | 'output'): Schema {
    const {
      $schema: _dialect,
      $defs = {},
      ...root
    } = z.toJSONSchema(schema, {
      io,
      unrepresentable: 'any',
      override: ({ zodSchema, jsonSchema }) => {
        delete jsonSchema.id
        if (io === 'output') delete jsonSchema.additionalProperties // answers may grow
        if (zodSchema === FreeForm) jsonSchema.$ref = `${PREFIX}FreeForm`
      },
    }) as Schema & { $defs?: Record<string, Schema> }
    const renamed = new Map(
      Object.entries($defs).map(([name, def]) => [name, this.#nameFor(name, def, io)]),
    )
    for (const [name, def] of Object.entries($defs))
      this.schemas[renamed.get(name)!] = relink(def, renamed) as Schema
    return relink(root, renamed) as Schema
  }

  #nameFor(name: string, def: Schema, io: 'input' | 'output'): string {
    const present = this.schemas[name]
    const same =
      present === undefined || JSON.stringify(present) === JSON.stringify(relink(def, new Map()))
    return same || io === 'output' ? name : `${name}Input`
  }
}

const freeForm: Schema = {
  type: 'object',
  additionalProperties: true,
  description: `Plain JSON of at most ${limits.freeFormBytes} bytes and ${limits.freeFormDepth} levels; no key starts with "$" or contains "."`,
}

/** A copy whose references lead to the components. */
function relink(value: unknown, renamed: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((item) => relink(item, renamed))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const name =
        key === '$ref' && typeof inner === 'string'
          ? /^#\/\$defs\/(.+)$/.exec(inner)?.[1]
          : undefined
      return [
        key,
        name === undefined ? relink(inner, renamed) : `${PREFIX}${renamed.get(name) ?? name}`,
      ]
    }),
  )
}
