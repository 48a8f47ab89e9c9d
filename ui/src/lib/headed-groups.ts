// Groups the items of a list under headings, such as the days of a history.

export interface HeadedGroup<Item, Heading extends string = string> {
  heading: Heading
  items: Item[]
}

/** Puts neighbouring items with the same heading into one group. The order of the items stays. */
export function groupByHeading<Item, Heading extends string>(
  items: readonly Item[],
  headingOf: (item: Item) => Heading,
): HeadedGroup<Item, Heading>[] {
  const groups: HeadedGroup<Item, Heading>[] = []
  for (const item of items) {
    const heading = headingOf(item)
    const last = groups.at(-1)
    if (last?.heading === heading) last.items.push(item)
    else groups.push({ heading, items: [item] })
  }
  return groups
}
