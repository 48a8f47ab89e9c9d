// What `import … from '@lockstep/client'` gives: the engine, the types of everything it returns, and
// the few values that a program needs beside it. Whatever isn't listed here is internal.
export { createEngine } from './engine.ts'
export type { Engine, EngineOptions, EngineState } from './engine.ts'
export type { ConnectionState } from './connection-manager.ts'
export { connectBySocketIo } from './socket-io.ts'
export type { Clock, Connect, SocketLike } from './platform.ts'
export { isRetryable } from './rest/call.ts'
export type { Call, CallOptions } from './rest/call.ts'
export { isOver } from './views.ts'
export type {
  AccountTopic,
  AgentsTopic,
  ConversationFields,
  ConversationsTopic,
  ConversationView,
  Delivery,
  ListState,
  ListView,
  MessageView,
  CommandOutcome as Outcome,
  OutboxItem,
  PreferencesTopic,
  RunFilter,
  RunsView,
  RunView,
  IssuedCommand as Sent,
  SummaryView,
  TopicView,
} from './views.ts'
export { Fault } from '@lockstep/protocol/errors'
