// The title of a chat as the page shows it: a locked chat has none, and an encrypted one only once
// somebody has given it one.
import type { SummaryView } from '@lockstep/client'
import { DEFAULT_TITLE } from '@lockstep/protocol/decide/conversations'
import { t } from '../../texts.ts'

type Titled = Pick<SummaryView, 'title' | 'encryption' | 'locked'>

export const isUntitled = ({ title, encryption, locked }: Titled): boolean =>
  locked === true || (encryption !== undefined && title === DEFAULT_TITLE)

export const shownTitle = (conversation: Titled): string =>
  isUntitled(conversation) ? t('chat.encrypted') : conversation.title
