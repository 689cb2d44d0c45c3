# Two commands: `make demo` and `make test`. Each installs what it needs, builds into build/ and runs.
.PHONY: demo test build deps
SHELL := /bin/bash
JOBS ?= $(shell nproc)

build: deps
	cmake --preset release
	cmake --build build -j $(JOBS)

test: build
	ctest --test-dir build --output-on-failure -j $(JOBS)

demo: build
	deploy/demo.sh build

deps:
	@deploy/install_deps.sh
