# SPDX-License-Identifier: Apache-2.0
# The few commands one types. Thin: what is built stands in meson.build, what is run in tools/ and
# tests/. Each command first sees to it that the Debian packages it needs are there.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
MESON ?= meson
NINJA ?= ninja
# One build at a time in one tree: ninja does not guard its directory itself.
LOCKED = flock .build-lock
# The program alone: the tests are three times its size, and only those who run them need them.
TARGETS ?= program
# Of the tests that old kernels are tried with: emulated, all of them take a day.
SLICE ?= 1/12

.PHONY: all build run demo test bench test-kernels install uninstall clean help

all: build

help:
	@echo 'make build         build $(BUILD)/weir'
	@echo 'make run           build, then watch the interface of the default route, or IFACE='
	@echo 'make demo          a guided minute in network namespaces of its own'
	@echo 'make test          every test; PATTERN="unit" or PATTERN="e2e -k block" for some'
	@echo '                   PATTERN=--all: every combination of hooks, families and the like'
	@echo 'make bench         measure, compare with peers, write $(BUILD)/bench.json'
	@echo 'make test-kernels  some tests on Debian 6.1 and 6.12 under QEMU; SLICE=1/1: all'
	@echo 'make install       into PREFIX ($(PREFIX)), below DESTDIR'
	@echo 'make clean         remove everything built'

build:
	@tools/install-deps build
	@$(LOCKED) sh -ec 'test -f $(BUILD)/build.ninja || \
		$(MESON) setup $(BUILD) --prefix=$(PREFIX); $(NINJA) -C $(BUILD) $(TARGETS)'

run: build
	@tools/install-deps run
	@BUILD=$(BUILD) tools/run-here

demo: build
	@tools/install-deps run
	@BUILD=$(BUILD) tools/demo

test: build
	@tools/install-deps test
	@BUILD=$(BUILD) tests/run $(PATTERN)

bench: TARGETS = all
bench: build
	@tools/install-deps test bench
	@BUILD=$(BUILD) tests/bench/run

test-kernels: TARGETS = all
test-kernels: build
	@tools/install-deps test kernels
	@BUILD=$(BUILD) tests/kernels/run --slice $(SLICE)

install: build
	@$(LOCKED) $(MESON) configure $(BUILD) --prefix=$(PREFIX)
	@$(LOCKED) $(NINJA) -C $(BUILD) $(TARGETS)
	@$(LOCKED) env DESTDIR='$(DESTDIR)' $(MESON) install --no-rebuild -C $(BUILD)

uninstall:
	@$(NINJA) -C $(BUILD) uninstall

clean:
	rm -rf $(BUILD) build-asan .build-lock
