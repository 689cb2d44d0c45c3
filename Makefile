# Two commands: `make demo` and `make test`. Each installs what it needs, builds into build/ and runs.
.PHONY: demo test build configure deps
SHELL := /bin/bash
JOBS ?= $(shell nproc)

build: configure
	cmake --build build -j $(JOBS)

test: build
	ctest --test-dir build --output-on-failure -j $(JOBS)

# The program alone: no tests are built for it.
demo: configure
	cmake --build build -j $(JOBS) --target antiphon_program
	deploy/demo.sh build

configure: deps
	cmake --preset release

deps:
	@deploy/install_deps.sh
