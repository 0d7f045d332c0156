# The service and its command as emitted JavaScript: no dev dependencies, no sandbox, no demo, nobody's Node but the image's own.
FROM node:24-slim AS emit
WORKDIR /build/app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.emit.json ./
COPY src ./src
RUN node_modules/.bin/tsc -p tsconfig.emit.json

FROM node:24-slim AS build
WORKDIR /build/app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts
COPY migrations ./migrations
RUN mkdir ../data

FROM node:24-slim
WORKDIR /app
COPY --from=build /build/app ./
COPY --from=emit /build/app/dist ./dist
# Everything else of the file system may be read-only: what the process keeps, its socket included, is here.
COPY --from=build --chown=10001:10001 --chmod=700 /build/data /data
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data KEYS_DIR=/data SOCKET_PATH=/data/run/countersign.sock
VOLUME ["/data"]
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# node itself is the first process and gets the signals; `docker run countersign migrate` runs another command.
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["serve"]
