// Redis may drop a published change without an error, and then no peer knows that it lacks the
// change. So the node that published a change also announces the topic's head `afterMs` later. A
// topic that changes all the time is announced once per `afterMs`, and a quiet topic never.
import type { Cursor } from '@lockstep/protocol/cursor'
import type { Topic } from '@lockstep/protocol/topics'
import { logKey } from './connection.ts'

interface Announcement {
  user_id: string
  topic: Topic
  head: Cursor
  due: number
}

export interface Announcements {
  /** Notes the new head of a topic that has just changed. */
  add(user_id: string, topic: Topic, head: Cursor): void
  stop(): void
}

export function createAnnouncements(
  afterMs: number,
  announce: (user_id: string, topic: Topic, head: Cursor) => void,
): Announcements {
  /** By topic, in the order in which they are due. */
  const waiting = new Map<string, Announcement>()
  let timer: NodeJS.Timeout | undefined

  function announceDue(): void {
    timer = undefined
    const now = performance.now()
    for (const [key, { user_id, topic, head, due }] of waiting) {
      if (due > now) return setTimer(due - now)
      waiting.delete(key)
      announce(user_id, topic, head)
    }
  }

  function setTimer(ms: number): void {
    timer = setTimeout(announceDue, ms).unref()
  }

  return {
    add(user_id, topic, head) {
      const key = logKey(user_id, topic)
      const known = waiting.get(key)
      if (known) known.head = head
      else waiting.set(key, { user_id, topic, head, due: performance.now() + afterMs })
      if (!timer) setTimer(afterMs)
    },
    stop: () => clearTimeout(timer),
  }
}
