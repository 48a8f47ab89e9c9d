// A page of another site, in the browser of somebody who is signed in.
import type { Row } from './row.ts'

export const otherSite: readonly Row[] = [
  {
    row: 'A request that changes something (CSRF)',
    edits: [
      {
        file: 'realtime/http/http.ts',
        old: "done(isForeign(request) ? new Fault('forbidden_origin') : undefined)",
        now: 'isForeign(request)\n    done()',
      },
    ],
    test: ['tests/rest/boundary.test.ts', 'may change nothing'],
  },
  {
    row: 'A request without an Origin that the browser calls cross-site',
    edits: [
      {
        file: 'realtime/auth/origin.ts',
        old: 'if (origin === undefined && !ownSites.has(site)) return false',
        now: '',
      },
    ],
    test: [
      'tests/attacks/identity.test.ts',
      'a request that a browser calls cross-site changes nothing, unless its Origin is allowed',
    ],
  },
  {
    row: 'A socket (cross-site WebSocket hijacking)',
    edits: [
      {
        file: 'realtime/gateway/admission.ts',
        old: 'if (token === undefined && !deps.originAllowed(socket.request))',
        now: 'if (deps.isDraining())',
      },
    ],
    test: [
      'tests/protocol/handshake.test.ts',
      'is forbidden_origin from a foreign page, and accepted from its own and an allowed origin',
    ],
  },
  {
    row: 'Framing the page',
    edits: [
      {
        file: 'realtime/http/http.ts',
        old: `[...frameAncestors] : ["'none'"]`,
        now: `[...frameAncestors] : ['*']`,
      },
    ],
    test: [
      'tests/rest/pages.test.ts',
      'are protected: no foreign script runs in them, and no site can frame them',
    ],
  },
  {
    row: 'Script in a message',
    edits: [
      {
        file: 'ui/src/lib/components/markdown/markdown-nodes.ts',
        old: "return ['http:', 'https:', 'mailto:'].includes(protocol) ? href : undefined",
        now: "return protocol === '' ? undefined : href",
      },
    ],
    test: [
      'tests/browser/content-safety.test.ts',
      'no known payload runs script, makes a request, or leaves a handler or a dangerous address in the page',
    ],
    needs: 'ui',
  },
]
