// What an app keeps, as far as this package understands it: chats with messages, and settings. An
// app has these in a form of its own, which its `Shape` translates.
import type { Json, MessageView } from '@lockstep/client'

export interface StoredMessage {
  /** Any text; the same text is the same message on every device. */
  readonly id: string
  readonly role: MessageView['role']
  readonly content: string
  /** What else the app keeps of a message, as it was when the message was added. */
  readonly extra?: { readonly [field: string]: Json }
}

export interface StoredChat {
  /** Any text; the same text is the same chat on every device. */
  readonly id: string
  readonly title: string
  readonly messages: readonly StoredMessage[]
  /** What else the app keeps of a chat. */
  readonly extra?: { readonly [field: string]: Json }
}

export interface Stored {
  readonly chats: readonly StoredChat[]
  /** The same on every device. What belongs to this device alone stays out of it. */
  readonly settings: { readonly [name: string]: Json }
}

/** How an app's value, which it writes as JSON under one key, is made of chats and settings. */
export interface Shape<Value> {
  /** @param value parsed; it may be older than the app's present form */
  toStored(value: Value): Stored
  /** The value that the app reads. Newest chats come first. */
  fromStored(stored: Stored): Value
}

export const nothing: Stored = { chats: [], settings: {} }
