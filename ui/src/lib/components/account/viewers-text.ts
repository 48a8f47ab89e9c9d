// Says where else a conversation is open. The tabs of one browser share a session, so they are one
// device.
import type { Presence } from '@lockstep/protocol/sync'
import { t } from '../../texts.ts'

/**
 * For example "Also open on Safari on iPhone"; undefined if no other page shows the conversation.
 * @param viewers the other open pages that show it
 * @param session_id this page's session
 */
export function viewersText(
  viewers: readonly Pick<Presence, 'session_id' | 'device'>[],
  session_id: string | undefined,
): string | undefined {
  const devices = new Map(
    viewers
      .filter((viewer) => viewer.session_id !== session_id)
      .map((viewer) => [viewer.session_id, viewer.device]),
  )
  const [device] = devices.values()
  if (device !== undefined)
    return devices.size === 1
      ? t('account.alsoOpenOn', { device })
      : t('account.alsoOpenOnOthers', { count: devices.size })
  return viewers.length > 0 ? t('account.alsoOpenInTab') : undefined
}
