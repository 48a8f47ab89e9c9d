// The package's main entry: the engine, the types of everything that it returns, and the few values
// that a program needs besides. What isn't exported here is internal.
export { createEngine } from './engine.ts'
export type { Engine, EngineOptions, EngineState } from './engine.ts'
export type { ConnectionState } from './connection-manager.ts'
export { connectBySocketIo } from './socket-io.ts'
export type { Clock, Connect, ServerAddress, SocketLike } from './platform.ts'
export type { Store } from './command-keeper.ts'
export type { CreateEncryption } from './encryption-hooks.ts'
export { lateEncryption } from './encryption/late-encryption.ts'
export { isRetryable } from './rest/call.ts'
export type { Call, CallOptions } from './rest/call.ts'
export type { RecordsTopic, RecordView } from './record-views.ts'
export { isOver } from './views.ts'
export type {
  AccountTopic,
  AgentsTopic,
  CommandOutcome,
  ConversationFields,
  ConversationsTopic,
  ConversationView,
  Delivery,
  DraftsFollower,
  EncryptedConversations,
  IssuedCommand,
  ListState,
  ListView,
  MessageView,
  NewConversation,
  OutboxItem,
  PreferencesTopic,
  RunFilter,
  RunsView,
  RunView,
  SummaryView,
  TopicView,
  UnlockResult,
  WrittenDraft,
} from './views.ts'
export { Fault } from '@lockstep/protocol/errors'
export type { Json } from '@lockstep/protocol/free-form'
