// The page on which a developer sends requests of the HTTP API. It needs nothing but openapi.json,
// and is a page of its own because the usual viewers either report each installation to their maker
// or bring more than a hundred packages.

interface Schema {
  $ref?: string
  type?: string | string[]
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  oneOf?: Schema[]
  anyOf?: Schema[]
  enum?: unknown[]
  const?: unknown
  format?: string
  default?: unknown
}
interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required?: boolean
  description?: string
  schema: Schema
}
interface Operation {
  summary: string
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema: Schema }> }
}
interface OpenApi {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}
interface Request {
  method: string
  url: string
  headers: Record<string, string>
  body?: string
}

const DEPTH = 5

function create<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Partial<HTMLElementTagNameMap[Name]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const element = Object.assign(document.createElement(name), properties)
  element.append(...children)
  return element
}

const byId = <Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind => {
  const element = document.getElementById(id)
  if (element instanceof kind) return element
  throw new Error(`The page has no #${id}`)
}

const settings = byId('settings', HTMLFormElement)
const list = byId('operations', HTMLElement)
const found = byId('found', HTMLElement)
const setting = (name: string): string => String(new FormData(settings).get(name) ?? '')
const field = (name: string): HTMLInputElement => {
  const element = settings.elements.namedItem(name)
  if (element instanceof HTMLInputElement) return element
  throw new Error(`The form has no ${name}`)
}

// `npm run docs` passes on what is sent to /server/
field('server').value = new URL('server', location.href).href

const openApi = (await (await fetch('openapi.json')).json()) as OpenApi

/** A value that a schema allows: required fields only, so that it is short. */
function example(schema: Schema, depth = 0): unknown {
  if (schema.$ref) {
    const name = schema.$ref.slice(schema.$ref.lastIndexOf('/') + 1)
    return depth > DEPTH ? null : example(openApi.components.schemas[name] ?? {}, depth + 1)
  }
  if (schema.default !== undefined) return schema.default
  if (schema.const !== undefined) return schema.const
  if (schema.enum) return schema.enum[0]
  const [alternative] = schema.oneOf ?? schema.anyOf ?? []
  if (alternative) return example(alternative, depth)
  if (schema.properties)
    return Object.fromEntries(
      Object.entries(schema.properties)
        .filter(([name]) => schema.required?.includes(name))
        .map(([name, one]) => [name, example(one, depth + 1)]),
    )
  if (schema.items) return depth > DEPTH ? [] : [example(schema.items, depth + 1)]
  const [type] = [schema.type].flat()
  if (type === 'string') return schema.format === 'uuid' ? crypto.randomUUID() : 'text'
  if (type === 'integer' || type === 'number') return 1
  return type === 'boolean' ? true : {}
}

const curl = ({ method, url, headers, body }: Request): string => {
  const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`
  const lines = Object.entries(headers).map(([name, value]) =>
    name === 'authorization'
      ? `-H "authorization: Bearer $TOKEN"`
      : `-H ${quoted(`${name}: ${value}`)}`,
  )
  return [
    `curl -X ${method} ${quoted(url)}`,
    ...lines,
    ...(body === undefined ? [] : [`-d ${quoted(body)}`]),
  ].join(' \\\n  ')
}

function requestOf(method: string, path: string, operation: Operation, form: FormData): Request {
  const query = new URLSearchParams()
  const headers: Record<string, string> = {}
  let filled = path
  for (const { name, in: place } of operation.parameters ?? []) {
    const value = String(form.get(`${place} ${name}`) ?? '')
    if (place === 'path') filled = filled.replace(`{${name}}`, encodeURIComponent(value))
    else if (value !== '' && place === 'query') query.set(name, value)
    else if (value !== '') headers[name.toLowerCase()] = value
  }
  if (setting('token')) headers.authorization = `Bearer ${setting('token')}`
  const [media] = Object.keys(operation.requestBody?.content ?? {})
  if (media) headers['content-type'] = media
  const url = `${setting('server').replace(/\/$/, '')}${filled}${query.size > 0 ? `?${query}` : ''}`
  return {
    method: method.toUpperCase(),
    url,
    headers,
    ...(media && { body: String(form.get('body') ?? '') }),
  }
}

async function send(request: Request, output: HTMLElement): Promise<void> {
  output.replaceChildren('Sending …')
  const began = performance.now()
  try {
    const { url, ...init } = request
    const response = await fetch(url, init)
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json')
    const took = Math.round(performance.now() - began)
    output.replaceChildren(
      create(
        'strong',
        { className: response.ok ? 'good' : 'bad' },
        `${response.status} ${response.statusText} in ${took} ms`,
      ),
      create('pre', {}, isJson ? JSON.stringify(JSON.parse(text), null, 2) : text || '(no body)'),
      create('pre', {}, curl(request)),
    )
  } catch {
    output.replaceChildren(
      create(
        'strong',
        { className: 'bad' },
        `No server answers at ${setting('server')}, or it doesn’t allow this page. Start one with “npm start”.`,
      ),
      create('pre', {}, curl(request)),
    )
  }
}

function formOf(method: string, path: string, operation: Operation): HTMLFormElement {
  const inputs = (operation.parameters ?? []).map(
    ({ name, in: place, required = false, description = '', schema }) =>
      create(
        'label',
        {},
        name,
        create('small', {}, `${place}${required ? '' : ', optional'}. ${description}`),
        create('input', {
          name: `${place} ${name}`,
          required,
          placeholder: schema.default === undefined ? '' : String(schema.default),
        }),
      ),
  )
  const [content] = Object.values(operation.requestBody?.content ?? {})
  const body = content && JSON.stringify(example(content.schema), null, 2)
  const output = create('output')
  const form = create(
    'form',
    {},
    ...inputs,
    ...(body
      ? [create('label', {}, 'Body', create('textarea', { name: 'body', value: body, rows: 8 }))]
      : []),
    create('button', {}, 'Send'),
    output,
  )
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void send(requestOf(method, path, operation, new FormData(form)), output)
  })
  return form
}

const rows = Object.entries(openApi.paths).flatMap(([path, operations]) =>
  Object.entries(operations).map(([method, operation]) => {
    const row = create(
      'details',
      {},
      create(
        'summary',
        {},
        create('span', { className: 'method' }, method.toUpperCase()),
        create('span', { className: 'path' }, path),
        create('span', { className: 'about' }, operation.summary.replaceAll('`', '')),
      ),
    )
    row.addEventListener('toggle', () => row.append(formOf(method, path, operation)), {
      once: true,
    })
    return { row, words: `${method} ${path} ${operation.summary}`.toLowerCase() }
  }),
)
list.append(...rows.map(({ row }) => row))

function show(): void {
  const wanted = setting('filter').toLowerCase().split(/\s+/)
  for (const { row, words } of rows) row.hidden = !wanted.every((word) => words.includes(word))
  found.textContent = `${rows.filter(({ row }) => !row.hidden).length} of ${rows.length} requests`
}
settings.addEventListener('input', show)
settings.addEventListener('submit', (event) => event.preventDefault())
show()
