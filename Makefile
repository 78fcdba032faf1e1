# SPDX-License-Identifier: MIT
# The front door; the build itself is described by meson.build.
PREFIX ?= /usr/local

all: build
	tools/demo build/kilntainers

build:
	tools/setup build
	test -e build/build.ninja || meson setup build -Dtests=false --prefix $(PREFIX)
	ninja -C build

check:
	tools/check

check-vm:
	tools/check vm

bench: build
	ninja -C build bench/bench-spawn bench/bench-crowd tests/isolation/isolation-hog
	python3 bench/run.py build/kilntainers build/bench/bench-spawn
	python3 bench/over_http.py build/kilntainers --sessions 1000

# Ten minutes of sessions made, used and dropped; SOAK_SECONDS=60 is what check does.
SOAK_SECONDS ?= 600
soak: build
	python3 tests/http/soak.py build/kilntainers $(SOAK_SECONDS) --csv build/soak.csv --plot build/soak.svg

install: build
	meson configure build --prefix $(PREFIX)
	meson install -C build $(if $(DESTDIR),--destdir $(DESTDIR))

clean:
	rm -rf build build-check

.PHONY: all build check check-vm bench soak install clean
