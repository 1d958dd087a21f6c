# One word per wish: `make start` from a fresh clone, `make test` before you believe anything.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: start install build s3 browser test test-long check lint bench generate clean help

# Installing runs on the machine's own Node; everything after it on the Node that was installed with the packages.
MACHINE_PATH := $(PATH)
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
INSTALLED := node_modules/.package-lock.json

help:
	@echo 'make start      install, build and run a development server here'
	@echo 'make install    install the locked packages'
	@echo 'make build      compile src/ into dist/'
	@echo 'make test       everything; the last line counts'
	@echo 'make test-long  the same with the long loops'
	@echo 'make check      types, style and the floor plan (also: make lint)'
	@echo 'make bench      measure'
	@echo 'make generate   write generated/ from the routes and schema.yaml'
	@echo 'make clean      remove what was built; data/ stays'

$(INSTALLED): package-lock.json
	PATH='$(MACHINE_PATH)' npm ci --ignore-scripts
	@touch $@

install: $(INSTALLED)

build: $(INSTALLED)
	@node scripts/build.mjs

# A project of its own is written here only when there is none; it is never overwritten.
start: build
	@[ -e schema.yaml ] && [ -e alyx.yml ] || node bin/alyx.mjs init
	@exec node bin/alyx.mjs dev

# A real S3 server for the tests, where it is missing and can be installed; else their suites say why they are skipped.
s3:
	@scripts/install-s3.sh

# Debian's Chromium for the example page, in the same way.
browser:
	@scripts/install-chromium.sh

test: build s3 browser
	@node scripts/test.mjs

test-long: build s3 browser
	@node scripts/test.mjs --long

check lint: $(INSTALLED)
	@npm run --silent check

bench: build
	@npm run --silent bench

generate: build
	@node scripts/generate.mjs

clean:
	rm -rf dist coverage
