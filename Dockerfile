# syntax=docker/dockerfile:1
# One image for every process: docker run tidegate edge --config /etc/tidegate/tidegate.toml (docs/deployment.md).
# Nothing is secret in it; certificates and passwords are mounted or given when it runs.

FROM python:3.11.14-bookworm AS build
WORKDIR /source
COPY pyproject.toml setup.py README.md ./
COPY core core
COPY edge edge
COPY fleet fleet
COPY games games
COPY protos protos
COPY tidegate tidegate
COPY tunnel tunnel
COPY wire wire
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .
RUN python -m venv /opt/tidegate \
    && /opt/tidegate/bin/pip install --no-cache-dir "$(echo /wheels/*.whl)[webhook]"
# A kernel that could not be compiled would run all the same, only slower: here that is a mistake.
WORKDIR /
RUN ["/opt/tidegate/bin/python", "-c", "from wire.kernel import describe; assert describe() == 'compiled', describe()"]

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="Tidegate" \
    org.opencontainers.image.description="Relays for TCP games: edges near the players, a core before the hidden server"
RUN groupadd --system --gid 10001 tidegate \
    && useradd --system --uid 10001 --gid tidegate --home-dir /var/lib/tidegate --shell /usr/sbin/nologin tidegate \
    && install -d -o tidegate -g tidegate -m 0700 /var/lib/tidegate /run/tidegate \
    && install -d /etc/tidegate
COPY --from=build /opt/tidegate /opt/tidegate
COPY infra/docker/healthcheck.py /opt/tidegate/healthcheck.py
ENV PATH=/opt/tidegate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    TIDEGATE_HTTP_LISTEN=0.0.0.0:9400
# By number, so that an engine can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/tidegate
# SIGTERM drains; a process of ours heeds it as process 1 too, and waits for its own workers.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "/opt/tidegate/healthcheck.py"]
ENTRYPOINT ["tidegate"]
CMD ["--help"]
