// Webhooks: who makes them, where they lead, and what a receiver can do.
import type { Row } from './row.ts'

const DELIVERY = 'tests/webhooks/delivery.test.ts'
const REGISTRATION = 'tests/webhooks/registration.test.ts'

export const webhook: readonly Row[] = [
  {
    row: "A webhook of somebody else's",
    edits: [
      {
        file: 'protocol/webhook-routes.ts',
        old: "address',\n    access: 'service',",
        now: "address',\n    access: 'session',",
      },
    ],
    test: [
      REGISTRATION,
      'WEBHOOK-5: only a service key makes, lists, replays and removes webhooks, and names no user',
    ],
  },
  {
    row: 'A webhook into the server’s own network (SSRF)',
    edits: [
      {
        file: 'realtime/commands/webhooks.ts',
        old: 'if (network.isRefusedHost(new URL(url).hostname))',
        now: "if (network.isRefusedHost(new URL(url).hostname) && url === '')",
      },
    ],
    test: [REGISTRATION, 'is invalid as a literal address, however it is written'],
  },
  {
    row: 'A name that leads into the server’s own network',
    edits: [
      {
        file: 'realtime/auth/own-network.ts',
        old: 'const reachable = all.filter(isReachable)',
        now: 'const reachable = all',
      },
    ],
    test: [
      REGISTRATION,
      'isn’t reached by a name that leads there later, when another node or setting made the webhook',
    ],
  },
  {
    row: 'A name that means something else a moment later (DNS rebinding)',
    edits: [
      {
        file: 'realtime/webhooks/post.ts',
        old: 'host: address,',
        now: 'host: address && hostname,',
      },
    ],
    test: [
      REGISTRATION,
      'a connection goes to the address that was checked, whatever the name means by then',
    ],
  },
  {
    row: 'A redirect into the server’s own network',
    reason: 'node:http follows no redirect, so there is no code that could be removed',
  },
  {
    row: 'A forged delivery',
    edits: [
      {
        file: 'realtime/webhooks/post.ts',
        old: "createHmac('sha256', secret)",
        now: "createHmac('sha256', secret && 'anybody')",
      },
    ],
    test: [
      DELIVERY,
      'WEBHOOK-1: a webhook is sent the changes made after it, in order, as devices receive them, and signed',
    ],
  },
  {
    row: 'A copy of the database that signs deliveries',
    edits: [
      {
        file: 'realtime/commands/webhooks.ts',
        old: 'secret: await sealSecret(_id, secret),',
        now: 'secret: (await sealSecret(_id, secret)) && secret,',
      },
    ],
    test: [
      REGISTRATION,
      'its secret is shown once and stored sealed; the log names it without address or secret',
    ],
  },
  {
    row: 'A receiver that hangs, never stops answering, or is away',
    edits: [
      {
        file: 'realtime/webhooks/post.ts',
        old: 'if (bytes > DRAIN.bytes) response.destroy()',
        now: 'if (bytes < 0) response.destroy()',
      },
      {
        file: 'realtime/webhooks/post.ts',
        old: 'setTimeout(() => response.destroy(), DRAIN.ms)',
        now: 'setTimeout(() => undefined, DRAIN.ms)',
      },
      {
        file: 'realtime/webhooks/post.ts',
        old: 'AbortSignal.timeout(attemptMs)',
        now: 'new AbortController().signal',
      },
    ],
    test: [
      DELIVERY,
      'WEBHOOK-3: an endpoint that hangs, answers without end or gets very much delays no other and takes bounded room',
    ],
  },
]
