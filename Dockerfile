# syntax=docker/dockerfile:1

# The image that builds: a compiler and everything that only a build needs.
FROM rust:1.95.0-bookworm AS build
WORKDIR /build

# The image's toolchain is the pinned one, so that rustup fetches nothing.
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY src ./src
# Compiled into the program.
COPY migrations ./migrations
COPY pipelines ./pipelines

# Both programs: `phaseline`, and `phaseline-sql`, which carries DataFusion for steps that ask queries.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --features sql --bins \
    && install -D -t /out target/release/phaseline target/release/phaseline-sql

# The image that runs: no compiler, no Python. Steps that call Python need an image of your own on top of this one.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 phaseline \
    && useradd --uid 10001 --gid phaseline --create-home --home-dir /home/phaseline --shell /usr/sbin/nologin phaseline \
    && install -d -o phaseline -g phaseline /state /work

# `phaseline-sql` is looked for beside `phaseline`.
COPY --from=build /out/phaseline /out/phaseline-sql /usr/local/bin/
COPY --from=build /build/pipelines /usr/share/phaseline/pipelines
COPY LICENSE /usr/share/doc/phaseline/LICENSE

USER phaseline
WORKDIR /work
ENV PHASELINE_STATE=/state
VOLUME ["/state"]
EXPOSE 7655
STOPSIGNAL SIGTERM

# Inside a container loopback reaches nobody, so `serve` listens on all addresses; that needs PHASELINE_SERVE_TOKEN,
# and the server refuses to start without it.
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s --retries=3 \
    CMD ["phaseline", "serve", "--listen", "0.0.0.0:7655", "--probe"]
ENTRYPOINT ["phaseline"]
CMD ["serve", "--listen", "0.0.0.0:7655"]
