# rtapp as an image: `docker build --tag rtapp .`; compose.yaml runs it with what it needs.
# The steps are bin/install and bin/start, which are used without Docker too.
FROM python:3.12-slim-trixie AS built
WORKDIR /source
COPY . .
RUN bin/install /opt/rtapp

FROM python:3.12-slim-trixie
# For backups: the client programs of PostgreSQL 17, the server of compose.yaml.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /var/lib/rtapp --create-home --shell /usr/sbin/nologin rtapp
COPY --from=built /opt/rtapp /opt/rtapp
USER rtapp
WORKDIR /var/lib/rtapp
ENV PATH=/opt/rtapp/bin:$PATH RTAPP_ENV=production RTAPP_INSTANCE=/var/lib/rtapp HOST=0.0.0.0 PORT=8000
EXPOSE 8000
VOLUME /var/lib/rtapp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["/opt/rtapp/current/bin/python", "-c", \
         "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["/opt/rtapp/bin/start"]
