// Says what an entry of the activity means to the person who did it. The server names no content,
// so the caller gives the titles.
import type { Answer } from '@lockstep/protocol/rest'
import { t, type TextKey } from './texts.ts'

export type ActivityEntry = Answer<'listActivity'>['items'][number]

export interface ActivityTitles {
  /** The present title of the chat; undefined where the reader knows which chat it is. */
  chat?: string
  /** The title that the chat got by this entry, if it is known. */
  renamedTo?: string
}

const endTexts = new Map<string | null, { reply: TextKey; run: TextKey }>([
  ['stopped', { reply: 'activity.replyStopped', run: 'activity.runStopped' }],
  ['interrupted', { reply: 'activity.replyInterrupted', run: 'activity.runInterrupted' }],
  ['failed', { reply: 'activity.replyFailed', run: 'activity.runFailed' }],
])
const preferenceTexts = new Map<string, TextKey>([
  ['theme', 'activity.theme'],
  ['density', 'activity.density'],
  ['language', 'activity.language'],
  ['date_language', 'activity.dateLanguage'],
  ['default_agent', 'activity.defaultAgent'],
  ['agent_settings', 'activity.agentSettings'],
  ['developer_tools', 'activity.developerTools'],
])
const securityTexts = new Map<string | null, TextKey>([
  ['passkey_added', 'activity.passkeyAdded'],
  ['passkey_renamed', 'activity.passkeyRenamed'],
  ['passkey_removed', 'activity.passkeyRemoved'],
  ['second_step_on', 'activity.secondStepOn'],
  ['second_step_off', 'activity.secondStepOff'],
  ['recovery_codes_made', 'activity.recoveryCodesMade'],
  ['recovery_code_used', 'activity.recoveryCodeUsed'],
  ['provider_linked', 'activity.providerLinked'],
  ['provider_unlinked', 'activity.providerUnlinked'],
  ['account_locked', 'activity.accountLocked'],
  ['account_unlocked', 'activity.accountUnlocked'],
  ['devices_signed_out', 'activity.devicesSignedOut'],
])
const otherTexts = new Map<string, TextKey>([
  ['conversations created', 'activity.created'],
  ['conversations deleted', 'activity.deleted'],
  ['conversations restored', 'activity.restored'],
  ['conversations purged', 'activity.purged'],
  ['agents deleted', 'activity.runDeleted'],
  ['account session_revoked', 'activity.deviceSignedOut'],
  ['account renamed', 'activity.usernameChanged'],
  ['account password_changed', 'activity.passwordChanged'],
])

function updateTexts({ details }: ActivityEntry, { chat, renamedTo }: ActivityTitles): string[] {
  const { fields, added, edited, pinned, archived } = details
  const inChat = (what: string): string =>
    chat === undefined ? what : t('activity.inChat', { what, title: chat })
  const texts = [
    ...(added > 0 ? [inChat(t('activity.added', { count: added }))] : []),
    ...(edited > 0 ? [inChat(t('activity.edited', { count: edited }))] : []),
    ...(fields.includes('title')
      ? [
          renamedTo === undefined
            ? t('activity.renamed')
            : t('activity.renamedTo', { title: renamedTo }),
        ]
      : []),
    ...(pinned === null ? [] : [t(pinned ? 'activity.pinned' : 'activity.unpinned')]),
    ...(archived === null ? [] : [t(archived ? 'activity.archived' : 'activity.unarchived')]),
  ]
  return texts.length > 0 ? texts : [inChat(t('activity.changed'))]
}

/** Whether the sentence names the chat by itself. */
export const namesChat = ({ topic, op, details }: ActivityEntry): boolean =>
  topic === 'conversations' &&
  (op === 'finished' || (op === 'updated' && (details.added > 0 || details.edited > 0)))

function signInText({ label, fields }: ActivityEntry['details']): string {
  if (label === null) return t('activity.signedIn')
  const isAgain = fields.includes('replaces')
  return t(isAgain ? 'activity.signedInAgainOn' : 'activity.signedInOn', { device: label })
}

/** One line without a full stop. */
export function activityText(entry: ActivityEntry, titles: ActivityTitles = {}): string {
  const { topic, op, details } = entry
  if (op === 'closed') return t('activity.accountDeleted')
  if (topic === 'conversations' && op === 'updated') return updateTexts(entry, titles).join(' · ')
  if (op === 'finished') {
    const end = endTexts.get(details.label)
    if (topic === 'agents') return t(end?.run ?? 'activity.runFinished')
    const what = t(end?.reply ?? 'activity.replyReceived')
    return titles.chat === undefined ? what : t('activity.inChat', { what, title: titles.chat })
  }
  if (topic === 'preferences') {
    const texts = new Set(
      details.fields.map((field) => t(preferenceTexts.get(field) ?? 'activity.otherSettings')),
    )
    return texts.size > 0 ? [...texts].join(' · ') : t('activity.otherSettings')
  }
  if (topic === 'records') {
    const text = op === 'deleted' ? 'activity.recordDeleted' : 'activity.recordSaved'
    return t(text, { kind: details.label ?? '' })
  }
  if (topic === 'agents' && op === 'created') return t('activity.runStarted')
  if (topic === 'account' && op === 'session_created') return signInText(details)
  if (topic === 'account' && op === 'session_revoked' && details.fields.includes('replaced_by'))
    return t('activity.sessionReplaced')
  if (topic === 'account' && op === 'security_changed')
    return t(securityTexts.get(details.label) ?? 'activity.changed')
  return t(otherTexts.get(`${topic} ${op}`) ?? 'activity.changed')
}
