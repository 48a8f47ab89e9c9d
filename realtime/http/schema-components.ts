// Makes JSON schemas from the zod schemas of the wire, for `components.schemas` in the OpenAPI and
// AsyncAPI documents.
import * as z from 'zod'
import { limits } from '@lockstep/protocol/limits'
import { FreeForm } from '@lockstep/protocol/scalars'

export type Schema = Record<string, unknown>
const PREFIX = '#/components/schemas/'

/**
 * Collects named schemas, each once. If requests and responses differ under the same name, the
 * schema for requests is called `<name>Input`.
 */
export class SchemaComponents {
  readonly schemas: Record<string, Schema> = { FreeForm: freeForm }

  /** Returns the schema of a body or parameter, with references to the named schemas. */
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
        if (io === 'output') delete jsonSchema.additionalProperties // responses may get new fields
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

  /** Gives a schema a name of its own, and returns the reference to it. */
  name(name: string, schema: Schema): Schema {
    this.schemas[name] = schema
    return { $ref: PREFIX + name }
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
  description: `Plain JSON of at most ${limits.freeFormBytes} bytes and ${limits.freeFormDepth} levels. No key starts with "$" or contains "."`,
}

/** Copies a schema and makes its references lead to `components.schemas`. */
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
