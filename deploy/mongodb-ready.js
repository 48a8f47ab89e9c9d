// The health check. It initiates the replica set if that wasn't done yet. Healthy means that this
// member accepts writes.
const notYetInitialized = 94
try {
  rs.status()
} catch (error) {
  if (error.code !== notYetInitialized) throw error
  rs.initiate({ _id: 'rs0', members: [{ _id: 0, host: 'mongodb:27017' }] })
}
quit(db.hello().isWritablePrimary ? 0 : 1)
