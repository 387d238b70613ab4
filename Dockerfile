# One image for the four services: docker run coedit python -m services.gateway (transformer, presence, snapshotter).

FROM python:3.11-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/coedit
COPY requirements/server.txt /src/requirements/
RUN /opt/coedit/bin/pip install --quiet --require-hashes --requirement /src/requirements/server.txt
COPY pyproject.toml README.md LICENSE /src/
COPY libs/coedit /src/libs/coedit
RUN /opt/coedit/bin/pip install --quiet --no-deps --no-build-isolation /src

FROM python:3.11-slim-bookworm AS page
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# Where page.sh looks for Python, to install the locked Node.js.
RUN python -m venv .venv
COPY requirements/page.txt requirements/
COPY scripts/page.sh scripts/
COPY clients/js clients/js
RUN scripts/page.sh build

FROM python:3.11-slim-bookworm
ENV PATH=/opt/coedit/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Volumes that are mounted here for the first time take over the owner of these folders.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin coedit \
    && mkdir -p /var/lib/coedit/objects \
    && chown -R coedit:coedit /var/lib/coedit
WORKDIR /app
COPY --from=packages /opt/coedit /opt/coedit
COPY services services
# The root file system may be read-only later: compile now.
RUN python -m compileall -q services
COPY --from=page /src/clients/js/dist clients/js/dist
USER 10001:10001
EXPOSE 8000 8081 8082 8083 8084
CMD ["python", "-m", "services.gateway"]
