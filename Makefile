SHELL := /bin/sh
BIN := .venv/bin
PORT ?= 8000
TARGET ?= compose
DURATION ?= 240
LEVEL ?= fsync
SERVER ?= valkey
OVERLAY ?= deploy/k8s/overlays/self-contained

.PHONY: help install run page test test-seaweedfs test-compose laws yjs-sessions chaos chaos-proof drills fuzz check bench bench-ot bench-traces bench-peers clean api-cases deploy deploy-compose deploy-k8s rollback rotate-secret backup restore health logs

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## install what the tests and checks need into .venv
	@scripts/setup.sh dev

page: ## build the page into clients/js/dist
	@scripts/page.sh build

run: ## run the whole system here, with an embedded Valkey; PORT=8080 chooses the port
	@if [ -f .venv/.installed-dev ]; then scripts/setup.sh dev; else scripts/setup.sh server; fi
	@scripts/page.sh build
	@COEDIT_GATEWAY_PORT=$(PORT) exec $(BIN)/python -m services

check: install ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: install page ## all tests: the TypeScript client's, then everything else
	scripts/page.sh test
	scripts/page.sh yjs
	$(BIN)/python -m pytest -q -n 2 --dist loadscope $(PYTEST)

test-seaweedfs: install ## the object store's tests against a real SeaweedFS, which is installed for it (150 MB)
	@scripts/seaweedfs.sh
	COEDIT_REQUIRE=seaweedfs $(BIN)/python -m pytest -q -m seaweedfs tests/unit/store tests/integration

chaos: install ## faults and attackers under load, judged from outside: SEED=n DURATION=s LEVEL=fsync SERVER=valkey FAULTS=people,machines REPORT=file
	@$(BIN)/python -m tests.chaos --duration $(DURATION) --level $(LEVEL) --server $(SERVER) --faults "$(FAULTS)" \
		$(if $(SEED),--seed $(SEED)) $(if $(REPORT),--report $(REPORT))

api-cases: install ## requests that schemathesis makes up of /openapi.json, in open mode and with tokens: EXAMPLES=n of each, SEED=n
	COEDIT_API_EXAMPLES=$(or $(EXAMPLES),500) $(if $(SEED),COEDIT_SEED=$(SEED)) $(BIN)/python -m pytest -s --timeout 3600 tests/integration/test_requests_as_described.py

fuzz: install ## frames at all four doors and requests to REST that nobody would send: SEED=n DURATION=s REPORT=file
	@$(BIN)/python -m tests.fuzz --duration $(DURATION) $(if $(SEED),--seed $(SEED)) $(if $(REPORT),--report $(REPORT))

yjs-sessions: install ## random sessions of OT and Yjs clients, each to end with one document: SEEDS=200 SEED=n KILL=1 CUT=1 REPORT=file
	@scripts/page.sh yjs
	@$(BIN)/python -m tests.yjs --seeds $(or $(SEEDS),200) $(if $(SEED),--seed $(SEED)) $(if $(KILL),--kill) $(if $(CUT),--cut) $(if $(REPORT),--report $(REPORT))

test-compose: install ## build docker-compose.yml, bring it up, and break it, upgrade it, put a backup back; needs a Docker engine
	COEDIT_REQUIRE=docker $(BIN)/python -m pytest -q -m compose tests/integration/compose $(PYTEST)

laws: install ## the laws of the OT core alone, on 20,000 cases each; CASES=100000, COEDIT_SEED=1
	COEDIT_CASES=$(or $(CASES),20000) $(BIN)/python -m pytest -q --timeout=0 tests/property $(PYTEST)

drills: install ## slow Redis, wrong clocks, an object store that is away, a backup put back: ONLY="clocks backup" SECONDS=120 DOCUMENTS=1000
	@$(BIN)/python -m tests.drills $(ONLY) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(DOCUMENTS),--documents $(DOCUMENTS))

chaos-proof: install ## five bugs are planted in turn, and the checker must find each: REPORT=file
	@$(BIN)/python -m tests.chaos.proof $(if $(SEED),--seed $(SEED)) $(if $(REPORT),--report $(REPORT))

bench: install ## what an edit costs on this machine, beside floors; BENCH="--runs 3"
	$(BIN)/python -m bench $(BENCH)

bench-ot: install ## the OT core beside quill-delta on Node; COEDIT_VECTORS and COEDIT_TRACES name more inputs
	$(BIN)/python -m bench.ot $(BENCH)

bench-traces: install ## what traces cost: off, 1 % sampled, all; BENCH="--runs 3"
	$(BIN)/python -m bench.traces $(BENCH)

bench-peers: install ## coedit beside other servers, all loads: ONLY=W1,W2 REPORT=file BENCH="--runs 5"
	@$(BIN)/python -m bench.peers $(if $(ONLY),--only $(ONLY)) $(if $(REPORT),--report $(REPORT)) $(BENCH)

deploy: ## install it, or replace what runs one by one: TARGET=compose (default) here, TARGET=k8s with OVERLAY=folder in the cluster of kubectl
	@$(MAKE) --no-print-directory deploy-$(TARGET)

deploy-compose:
	@python3 scripts/deploy.py

rollback: ## put the image back that was deployed before, one by one
	@python3 scripts/deploy.py --rollback

rotate-secret: ## change COEDIT_SECRET in two phases while all runs
	@python3 scripts/rotate_secret.py accept
	@python3 scripts/deploy.py
	@python3 scripts/rotate_secret.py sign
	@python3 scripts/deploy.py

backup: ## copy what compose's Redis and object store hold into a new folder: TO=folder
	@scripts/backup.sh "$(TO)"

restore: ## put a backup back in the place of what compose's Redis and object store hold: FROM=folder
	@scripts/restore.sh "$(FROM)"

deploy-k8s:
	@scripts/secret.sh $(OVERLAY)/secret.env
	@if grep -q redis.env $(OVERLAY)/kustomization.yaml; then \
		scripts/secret.sh $(OVERLAY)/redis.env deploy/redis/passwords.env.example; fi
	kubectl apply -k $(OVERLAY)

.env: ## write the settings of compose, with a random secret and random passwords
	@scripts/secret.sh .env .env.example

health: ## ask every part that runs here whether it is ready
	@python3 scripts/health.py

logs: ## follow the logs of compose
	@scripts/compose.sh logs --follow --tail=100

clean: ## remove what was built; keeps var/, the documents
	rm -rf .venv dist clients/js/node_modules clients/js/dist bench/ot/node_modules bench/peers/node_modules tests/yjs/node_modules tests/unit/deploy/crd/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
