# A Lockstep node. The image's own Node runs the TypeScript without a build; only the page is built.
FROM node:24-slim AS source
WORKDIR /app
COPY package.json package-lock.json ./
COPY protocol/package.json protocol/
COPY realtime/embedded/package.json realtime/embedded/
COPY realtime/imports/package.json realtime/imports/
COPY clients/typescript/package.json clients/typescript/
COPY clients/react/package.json clients/react/
COPY clients/svelte/package.json clients/svelte/
COPY clients/vue/package.json clients/vue/
COPY clients/ai-sdk/package.json clients/ai-sdk/
COPY clients/conformance/package.json clients/conformance/
COPY clients/persist/package.json clients/persist/
COPY clients/devtools/package.json clients/devtools/
COPY tools/node/package.json tools/node/

FROM source AS page
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build && npm run --silent licences > licences.txt && npm run --silent sbom > sbom.cdx.json

FROM source AS dependencies
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/data
WORKDIR /app
RUN install --directory --owner=node --group=node /data
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY --from=page /app/licences.txt /app/sbom.cdx.json ./
COPY clients clients
COPY protocol protocol
COPY realtime realtime
COPY --from=page /app/ui/dist ui/dist
USER node
EXPOSE 3000
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/readyz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--max-semi-space-size=8", "realtime/main.ts"]
