FROM python:3.12-slim-bookworm AS packages
RUN python -m venv /venv
COPY requirements.lock /
RUN /venv/bin/pip install --no-cache-dir --require-hashes -r /requirements.lock

FROM python:3.12-slim-bookworm
LABEL org.opencontainers.image.title="ocpi-hub" \
      org.opencontainers.image.licenses="Apache-2.0"

# A user of its own: PostgreSQL, which the hub may start as its child, refuses root.
RUN useradd --uid 10001 --home-dir /data --shell /usr/sbin/nologin hub \
    && install --directory --owner=hub --group=hub --mode=0700 /data

COPY --from=packages /venv /venv
WORKDIR /app
COPY LICENSE ./
COPY ocpi_modules ocpi_modules
COPY fixtures fixtures
COPY hub hub

ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HUB_DATA_DIR=/data
USER 10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]
ENTRYPOINT ["python", "-m", "hub", "serve", "--host", "0.0.0.0"]
