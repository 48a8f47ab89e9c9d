// Says where else a conversation is open. The tabs of one browser share a session, so they are one
// device.
import type { Presence } from '@lockstep/protocol/sync'

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
    return `Also open on ${devices.size === 1 ? device : `${devices.size} other devices`}`
  return viewers.length > 0 ? 'Also open in another tab' : undefined
}
