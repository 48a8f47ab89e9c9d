/**
 * The fields in a document's schemas that have no description, each with the path that leads to it.
 */
export function undescribed(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return []
  const found: string[] = []
  for (const [key, inner] of Object.entries(value)) {
    found.push(...undescribed(inner, `${path}/${key}`))
    if (key !== 'properties' || typeof inner !== 'object' || inner === null) continue
    for (const [name, field] of Object.entries<{ description?: string }>({ ...inner }))
      if (!field.description) found.push(`${path}/${name}`)
  }
  return found
}
