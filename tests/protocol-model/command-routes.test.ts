import { expect, it } from 'vitest'
import { topicTable } from '@lockstep/protocol/topic-table'
import { programPaths, routePaths, type RouteName } from '@lockstep/protocol/route-paths'

const pairs = Object.entries(topicTable).flatMap(([topic, { routes: commands }]) =>
  Object.entries<RouteName | null>(commands).map(([name, route]) => ({ topic, name, route })),
)

it.each(pairs.filter(({ route }) => route !== null))(
  'the command $topic $name has a route that changes state',
  ({ route }) => {
    expect({ ...routePaths, ...programPaths }[route!].method).not.toBe('GET')
  },
)
