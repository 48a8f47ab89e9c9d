// The image runs this once, when the data volume is empty. It creates the user that Lockstep signs
// in as, with rights on Lockstep's database only.
db.getSiblingDB('lockstep').createUser({
  user: 'lockstep',
  pwd: process.env.LOCKSTEP_PASSWORD,
  roles: [{ role: 'readWrite', db: 'lockstep' }],
})
