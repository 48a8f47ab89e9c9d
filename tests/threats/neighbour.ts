// Another user of the machine, or another program on the network of the databases.
import type { Row } from './row.ts'

export const neighbour: readonly Row[] = [
  {
    row: 'Reading what a node keeps',
    edits: [
      { file: 'realtime/config/data-dir.ts', old: 'makePrivate(folder)', now: 'void makePrivate' },
    ],
    test: [
      'tests/attacks/neighbours.test.ts',
      'and all that is in it becomes private, even if it existed before; links are not followed',
    ],
  },
  {
    row: 'Putting code where the node compiles it',
    edits: [
      {
        file: 'realtime/config/private-files.ts',
        old: ' || (stats.mode & OTHERS_WRITE) !== 0',
        now: '',
      },
    ],
    test: [
      'tests/attacks/neighbours.test.ts',
      'is not used if others could write there, or if it is a link, a file or somebody else’s',
    ],
  },
  {
    row: 'Forging messages between nodes in Redis',
    edits: [
      {
        file: 'realtime/redis/message-seals.ts',
        old: 'return isOurs ? message : undefined',
        now: 'return isOurs ? message : message',
      },
    ],
    test: [
      'tests/attacks/redis.test.ts',
      'a real message that is repeated in another user’s channel is not believed there',
    ],
  },
  {
    row: 'Breaking out of a container, or into the next one',
    edits: [{ file: 'docker-compose.yml', old: '  pids_limit: 256\n', now: '' }],
    test: [
      'tests/toolchain/compose.test.ts',
      'gives no container more rights, files to write or processes than it needs',
    ],
  },
]
