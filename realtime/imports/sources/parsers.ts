import type { ImportSource } from '@lockstep/protocol/import'
import type { ParseExport } from '../parsing/parsed-item.ts'
import { parseBrowser } from './browser.ts'
import { parseChatUi } from './chat-ui.ts'
import { parseChatgpt } from './chatgpt.ts'
import { parseClaude } from './claude.ts'
import { parseLibrechat } from './librechat.ts'
import { parseLockstep } from './lockstep.ts'
import { parseOpenWebui } from './open-webui.ts'

export const parsers: Readonly<Record<ImportSource, ParseExport>> = {
  lockstep: parseLockstep,
  browser: parseBrowser,
  chatgpt: parseChatgpt,
  claude: parseClaude,
  librechat: parseLibrechat,
  'open-webui': parseOpenWebui,
  'chat-ui': parseChatUi,
}
