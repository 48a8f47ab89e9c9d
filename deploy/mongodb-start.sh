#!/usr/bin/env bash
# Starts the image's own entry point as a replica set with access control. The members of a replica
# set must share a key. A set of one member shares it with nobody, so each start creates a new key. With
# more members, each needs the same key file.
set -euo pipefail
key=/tmp/replica-set.key
head --bytes 512 /dev/urandom | base64 --wrap 0 >"$key"
chmod 400 "$key"
chown mongodb:mongodb "$key"
exec docker-entrypoint.sh mongod --replSet rs0 --bind_ip_all --keyFile "$key"
