# The gateway as an image: linux/amd64 alone, because the RocksDB binding has no other binary. OPERATING.md says how to run
# it. Nothing here but copies: what is copied is made by scripts/stage-image.mjs, which the tests run without Docker.

FROM --platform=linux/amd64 node:20-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# No package may run a script of its own: the binaries are in the packages.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json LICENSE ./
COPY bin bin
COPY scripts scripts
COPY src src
COPY shims shims
RUN node_modules/.bin/tsc -p tsconfig.build.json && node scripts/stage-image.mjs /stage

# Debian alone and node's one binary: no npm, no compiler, no headers.
FROM --platform=linux/amd64 debian:bookworm-slim
COPY --from=build /usr/local/bin/node /usr/local/bin/node
RUN groupadd --gid 10001 godwit \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin godwit \
 && install --directory --owner=10001 --group=10001 --mode=0750 /data
# Owned by root: the program cannot change itself. It writes to /data and nowhere else.
COPY --from=build /stage /app
WORKDIR /app
# The pool's size is read before the program's first line: reads that wait for the disk wait there.
ENV NODE_ENV=production UV_THREADPOOL_SIZE=8
USER 10001:10001
VOLUME /data
EXPOSE 7300 7380
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["node", "/app/scripts/healthcheck.mjs"]
ENTRYPOINT ["node", "--enable-source-maps", "/app/bin/godwit.mjs"]
CMD ["serve", "--data", "/data"]
