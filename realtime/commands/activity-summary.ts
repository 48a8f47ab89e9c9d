// A short sentence about an entry of the log, made from its outline: it names the fields that
// changed, never their values. So it still says something when the content of the entry is gone.
import type { Activity } from '@lockstep/protocol/activity'
import type { Op } from '@lockstep/protocol/change'
import type { SecurityChange } from '@lockstep/protocol/passkeys'
import { Uuid } from '@lockstep/protocol/scalars'
import { firstCharacters } from '@lockstep/protocol/text'
import type { Topic } from '@lockstep/protocol/topics'
import { derivedFields } from '../log/entry.ts'
import type { EntryOutline } from '../store/changes.ts'

type Outline = Pick<
  EntryOutline,
  'topic' | 'op' | 'stripped' | 'fields' | 'messages' | 'edited' | 'label'
>
type Sentence = (outline: Outline) => string

const NAMES = 5
const NAME_LENGTH = 40

const inSentence = (names: readonly string[]): string => {
  const shown = names.slice(0, NAMES).map((name) => firstCharacters(name, NAME_LENGTH))
  const more = names.length - shown.length
  return [...shown, ...(more > 0 ? [`${more} more`] : [])].join(', ')
}

const counted = (count: number): string => (count === 1 ? '1 message' : `${count} messages`)

function written(messages: number, edited: number | null): string[] {
  // the replaced values were too large to store, so nobody can tell new messages from edited ones
  if (edited === null) return [`wrote ${counted(messages)}`]
  const added = messages - edited
  return [
    ...(added > 0 ? [`added ${counted(added)}`] : []),
    ...(edited > 0 ? [`edited ${counted(edited)}`] : []),
  ]
}

const updatedConversation: Sentence = ({ fields, messages, edited }) => {
  const isCounted = (name: string) =>
    (name === 'messages' && messages !== null) || name === 'removed_messages'
  // older entries name the derived ones as well
  const names = (fields ?? []).filter((name) => !derivedFields.has(name) && !isCounted(name))
  const parts = [
    ...(messages ? written(messages, edited) : []),
    ...(fields?.includes('removed_messages') ? ['deleted messages'] : []),
    ...(names.length > 0 ? [`changed ${inSentence(names)}`] : []),
  ].join(', ')
  return parts === '' ? 'Changed' : parts[0]!.toUpperCase() + parts.slice(1)
}

const closed: Sentence = () => 'Closed the account'

/** Requires a sentence for every op. An op of a newer server has none, so its name is shown. */
const securitySentences = new Map<string | null, string>(
  Object.entries({
    passkey_added: 'Added a passkey',
    passkey_renamed: 'Renamed a passkey',
    passkey_removed: 'Removed a passkey',
    second_step_on: 'Turned two-step verification on',
    second_step_off: 'Turned two-step verification off',
    recovery_codes_made: 'Made new recovery codes',
    recovery_code_used: 'Used a recovery code',
    provider_linked: 'Linked the account to a sign-in provider',
    provider_unlinked: 'Unlinked the account from its sign-in provider',
    account_locked: 'Locked the account',
    account_unlocked: 'Unlocked the account',
    devices_signed_out: 'Signed all devices out',
  } satisfies Record<SecurityChange, string>),
)

const sentences: { [T in Topic]: Record<Op<T>, Sentence> } = {
  conversations: {
    created: ({ messages }) => (messages ? `Created with ${counted(messages)}` : 'Created'),
    updated: updatedConversation,
    extended: () => 'A reply went on',
    part: () => 'A reply went on',
    finished: ({ label }) => (label === null ? 'A reply ended' : `A reply ended: ${label}`),
    deleted: () => 'Moved to the trash',
    restored: () => 'Restored from the trash',
    purged: () => 'Deleted forever',
    closed,
  },
  preferences: {
    updated: ({ fields }) =>
      fields?.length ? `Changed ${inSentence(fields)}` : 'Changed preferences',
    closed,
  },
  agents: {
    // agents of users have ids that say nothing to a person
    created: ({ label }) =>
      label === null || Uuid.safeParse(label).success
        ? 'Started a run'
        : `Started a run of ${firstCharacters(label, NAME_LENGTH)}`,
    extended: () => 'A run went on',
    finished: ({ label }) => (label === null ? 'A run ended' : `A run ended: ${label}`),
    deleted: () => 'Deleted a run',
    closed,
  },
  account: {
    session_created: ({ label, fields }) => {
      const what = fields?.includes('replaces') ? 'Signed in again' : 'Signed in'
      return label === null ? what : `${what} on ${firstCharacters(label, NAME_LENGTH)}`
    },
    session_revoked: ({ fields }) =>
      fields?.includes('replaced_by')
        ? 'Ended the earlier session of the same browser'
        : 'Signed a device out',
    renamed: () => 'Changed the username',
    password_changed: () => 'Changed the password',
    security_changed: ({ label }) => securitySentences.get(label) ?? 'Changed how to sign in',
    closed,
  },
  records: {
    put: ({ label }) => (label === null ? 'Wrote a record' : `Wrote a record of kind ${label}`),
    deleted: ({ label }) =>
      label === null ? 'Deleted a record' : `Deleted a record of kind ${label}`,
    closed,
  },
}

/** What another program needs to word the entry by itself. It has no content of the user's. */
export const detailsOf = ({
  fields,
  messages,
  edited,
  pinned,
  archived,
  label,
}: Pick<
  EntryOutline,
  'fields' | 'messages' | 'edited' | 'pinned' | 'archived' | 'label'
>): Activity['details'] => ({
  fields: (fields ?? [])
    .filter((name) => !derivedFields.has(name))
    .map((name) => firstCharacters(name, NAME_LENGTH)),
  added: Math.max(0, (messages ?? 0) - (edited ?? 0)),
  edited: messages === null ? 0 : (edited ?? 0),
  pinned,
  archived,
  label: label === null ? null : firstCharacters(label, NAME_LENGTH),
})

/** One line without a full stop. */
export function summariseEntry(outline: Outline): string {
  const ofTopic: Partial<Record<string, Sentence>> = sentences[outline.topic]
  const sentence = ofTopic[outline.op]?.(outline) ?? outline.op
  return outline.stripped ? `${sentence} (details removed)` : sentence
}
