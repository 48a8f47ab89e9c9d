#!/bin/sh
# Prints an environment file for docker-compose.yml with new secrets: sh deploy/new-env.sh > .env
# Keep the file: MongoDB stores its passwords in the data volume at the first start, and a new
# SESSION_SECRET signs everybody out. An existing file can be added to: see what it lacks.
set -eu
# Nobody else may read what this is redirected to.
if [ -f /dev/stdout ]; then chmod 600 /dev/stdout; fi
secret() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
cat <<END
SESSION_SECRET=$(secret)
MONGODB_PASSWORD=$(secret)
MONGODB_ROOT_PASSWORD=$(secret)
REDIS_PASSWORD=$(secret)

# The address that people open, and the one that the load balancer serves. A domain name gets a
# certificate automatically.
PUBLIC_ORIGIN=http://localhost:8080
SITE_ADDRESS=:80
HTTP_PORT=8080
HTTPS_PORT=8443

# Any OpenAI-compatible server. If empty, the built-in demo agent answers.
ASSISTANT_BASE_URL=
ASSISTANT_API_KEY=
ASSISTANT_MODEL=
END
