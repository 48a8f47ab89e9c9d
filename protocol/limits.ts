/**
 * Every limit of the wire, in one place. A size is in bytes of UTF-8, and exceeding it is
 * `too_large`. A count or length is in Unicode characters (code points), and exceeding it is
 * `invalid`.
 */
export const limits = {
  usernameMin: 3,
  usernameMax: 64,
  passwordMin: 8,
  passwordMax: 256,
  titleMax: 500,
  agentInstructionsMax: 60_000,
  previewMax: 140,
  messageBytes: 256 * 1024,
  encryptedTitleMax: 2_800,
  encryptedMessageBytes: 350 * 1024,
  freeFormBytes: 64 * 1024,
  freeFormDepth: 20,
  jsonDepth: 100,
  jsonKeys: 20_000,
  jsonValues: 60_000,
  signInBytes: 16 * 1024,
  bodyBytes: 2 * 1024 * 1024,
  importBytes: 256 * 1024 * 1024,
  importItemBytes: 128 * 1024 * 1024,
  messagesPerRequest: 500,
  messagesPerConversation: 100_000,
  conversationsPerUser: 100_000,
  sessionsPerUser: 100,
  draftsPerUser: 1_000,
  passkeysPerUser: 30,
  passkeyNameMax: 80,
  frameBytes: 2 * 1024 * 1024,
  handshakeBytes: 16 * 1024,
  changeBytes: 4 * 1024 * 1024,
  answerBytes: 4 * 1024 * 1024,
  rangeMax: 500,
} as const
