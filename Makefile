# For users. `make demo` shows Talon at work, `make test` runs its tests, `make test-clients` runs
# other people's clients against its server; all install what is missing (Debian 12) and build first.
# Developers use ./check.
PREFIX ?= /usr/local
BUILD := build

.PHONY: all build configure deps demo test test-clients install clean

all: build

deps:
	@tools/setup
	@python3 -B tools/fetch_sources.py

configure: deps
	@test -f $(BUILD)/build.ninja || cmake --preset cpu

# The program alone: what demo and install need.
$(BUILD)/talon: configure
	@cmake --build --preset cpu --target talon

build: configure
	@cmake --build --preset cpu

demo: $(BUILD)/talon
	@tools/demo $(BUILD)/talon

test: build
	@ctest --preset cpu

# Real clients: Python packages and a browser.
test-clients: $(BUILD)/talon
	@tools/test_clients $(BUILD)/talon

install: $(BUILD)/talon
	cmake --install $(BUILD) --prefix $(PREFIX)

clean:
	rm -rf build build-asan build-tsan build-cuda build-cuda-debug build-fuzz
