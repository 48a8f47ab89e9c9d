// Run by the image once, when the data volume is empty: the user that Lockstep signs in as, with no right beyond its database.
db.getSiblingDB('lockstep').createUser({
  user: 'lockstep',
  pwd: process.env.LOCKSTEP_PASSWORD,
  roles: [{ role: 'readWrite', db: 'lockstep' }],
})
