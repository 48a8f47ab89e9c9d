// The oldest Node.js that the database runs on. It needs `node:sqlite`, which older versions lack
// or hide behind a flag, so the version is checked before anything imports that module.

const OLDEST: readonly [major: number, minor: number] = [22, 18]

/** Throws an error whose message is for people if this Node.js is too old. */
export function checkNodeVersion(version = process.versions.node): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return
  throw new Error(
    `@lockstep/embedded-mongo needs Node.js ${OLDEST.join('.')} or later, because it stores its data with node:sqlite. This is Node.js ${version}.`,
  )
}
