/**
 * Every limit of the wire, in one place. A size is in bytes of UTF-8, and exceeding it is
 * `too_large`. A count or length is in Unicode characters (code points), and exceeding it is
 * `invalid`.
 */
export const usernameMin = 3
export const usernameMax = 64
export const passwordMin = 8
export const passwordMax = 256
export const titleMax = 500
export const agentInstructionsMax = 60_000
export const previewMax = 140
export const messageBytes = 256 * 1024
export const partsBytes = 2 * 1024 * 1024
export const partIdMax = 200
export const encryptedTitleMax = 2_800
export const encryptedMessageBytes = 350 * 1024
export const freeFormBytes = 64 * 1024
export const freeFormDepth = 20
export const jsonDepth = 100
export const jsonKeys = 20_000
export const jsonValues = 60_000
export const signInBytes = 16 * 1024
export const bodyBytes = 2 * 1024 * 1024
export const importBytes = 256 * 1024 * 1024
export const importItemBytes = 128 * 1024 * 1024
export const messagesPerRequest = 500
export const messagesPerConversation = 100_000
export const conversationsPerUser = 100_000
export const sessionsPerUser = 100
export const draftsPerUser = 1_000
export const draftsReserveBytes = 512 * 1024
export const passkeysPerUser = 30
export const passkeyNameMax = 80
export const webhooks = 20
export const webhookUrlMax = 2_000
export const frameBytes = 2 * 1024 * 1024
export const handshakeBytes = 16 * 1024
export const changeBytes = 4 * 1024 * 1024
export const answerBytes = 4 * 1024 * 1024
export const rangeMax = 500
