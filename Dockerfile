# docker build -t neoc .
# docker run --read-only --tmpfs /tmp -v neoc:/data -p 8080:8080 neoc serve
# docker run --read-only --tmpfs /tmp neoc worker --database postgresql://...
# docker run --read-only --tmpfs /tmp -i neoc compile --cli-input-json - < request.json

FROM python:3.11.14-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY compiler compiler
COPY frontends frontends
COPY targets targets
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/neoc \
    && wheel=$(ls /wheels/neoc-*.whl) \
    && /opt/neoc/bin/pip install --no-cache-dir "${wheel}[service]"

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="neoc" \
      org.opencontainers.image.description="Ahead-of-time model compiler: command, job service and worker" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --user-group --home-dir /nonexistent neoc \
    && install --directory --owner neoc --group neoc --mode 0700 /data
COPY --from=build /opt/neoc /opt/neoc
# All that is written lies in /data, which is kept, and in /tmp.
ENV PATH=/opt/neoc/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    NEOC_HOST=0.0.0.0 \
    XDG_DATA_HOME=/data \
    XDG_CACHE_HOME=/data/cache
VOLUME /data
WORKDIR /tmp
USER 10001:10001
EXPOSE 8080
# A worker listens on nothing: it is well while it runs.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["python", "-c", "import urllib.request as r; b'serve' not in open('/proc/1/cmdline', 'rb').read() or r.urlopen('http://127.0.0.1:8080/healthz')"]
ENTRYPOINT ["neoc"]
CMD ["serve"]
