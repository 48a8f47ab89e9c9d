import type { Asked } from '@lockstep/protocol/rest'
import { parseBrowser } from './browser.ts'
import { parseChatUi } from './chat-ui.ts'
import { parseChatgpt } from './chatgpt.ts'
import { parseClaude } from './claude.ts'
import type { ParseExport } from './imported.ts'
import { parseLibrechat } from './librechat.ts'
import { parseLockstep } from './lockstep.ts'
import { parseOpenWebui } from './open-webui.ts'

export type ImportSource = Asked<'importMe'>['body']['source']

/** The parser of each source. */
export const parsers: Record<ImportSource, ParseExport> = {
  lockstep: parseLockstep,
  browser: parseBrowser,
  chatgpt: parseChatgpt,
  claude: parseClaude,
  librechat: parseLibrechat,
  'open-webui': parseOpenWebui,
  'chat-ui': parseChatUi,
}
