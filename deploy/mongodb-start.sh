#!/usr/bin/env bash
# Starts the image's own entry point as a replica set with access control. A replica set wants a key that its members share;
# a set of one shares it with nobody, so each start makes a new one. More members need the same key file on each.
set -euo pipefail
key=/tmp/replica-set.key
head --bytes 512 /dev/urandom | base64 --wrap 0 >"$key"
chmod 400 "$key"
chown mongodb:mongodb "$key"
exec docker-entrypoint.sh mongod --replSet rs0 --bind_ip_all --keyFile "$key"
