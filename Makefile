# make          builds libttmem.so and ttmem into target/release
# make test     runs every test, in a table  make demo     shows a report of a real program
# make bench    measures what it costs     make install  PREFIX=/usr/local
# make docs     builds the book              make wheel    builds the Python wheel into target/wheel
# make check    formatting and lints         make deb      builds a Debian package into target/debian
# Builds for another machine: make wheel CARGO_BUILD_TARGET=aarch64-unknown-linux-gnu; contrib/aarch64.sh has what that takes.

PREFIX ?= /usr/local
CARGO ?= cargo
PYTHON ?= python3
export CARGO PYTHON
TARGET = $(or $(CARGO_TARGET_DIR),target)
# Cargo takes CARGO_BUILD_TARGET from the environment, and has a folder for it.
MACHINE := $(or $(firstword $(subst -, ,$(CARGO_BUILD_TARGET))),$(shell uname -m))
RELEASE = $(TARGET)/$(addsuffix /,$(CARGO_BUILD_TARGET))release
# Of a cross compiler, and what runs its programs.
ifneq ($(MACHINE),$(shell uname -m))
CROSS ?= $(MACHINE)-linux-gnu-
RUNNER ?= qemu-$(MACHINE)
# As tests/aarch64.sh names them too: else cargo builds anew.
COMPILERS := CARGO_TARGET_$(shell echo $(CARGO_BUILD_TARGET) | tr a-z- A-Z_)_LINKER CC_$(subst -,_,$(CARGO_BUILD_TARGET))
$(foreach name,$(COMPILERS),$(eval $(name) ?= $(CROSS)gcc))
export $(COMPILERS)
endif
OBJCOPY ?= $(CROSS)objcopy
export OBJCOPY
# Of the workspace, and so of all parts.
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
WHEEL = $(CURDIR)/target/$(addsuffix /,$(CARGO_BUILD_TARGET))wheel
DEBIAN = $(CURDIR)/target/debian
WHEEL_PLATFORM = manylinux_2_34_$(MACHINE)

# What a suite needs before it runs: nothing where somebody has built already.
BUILD ?= build

.PHONY: build test test-compile test-rust test-model test-loom test-shuttle test-tsan test-aarch64 test-ttnn test-python test-export test-install
.PHONY: test-docs docs demo bench check install install-built wheel wheel-built deb deb-built clean

build:
	@sh contrib/needs.sh cargo cc
	$(CARGO) build --release --locked -p ttmem-shim -p ttmem

# Every suite, side by side where that is safe, and a table of them. Suites by name: make test SUITES="rust ttnn".
test:
	@sh contrib/needs.sh cargo cc c++ python venv
	@$(PYTHON) tests/all.py $(SUITES)

test-rust: $(BUILD)
	$(CARGO) test --locked --no-fail-fast --workspace --exclude ttmem-benches

# What test-rust compiles, before and while it runs.
test-compile:
	$(CARGO) test --locked --workspace --exclude ttmem-benches --no-run
	$(CARGO) build --locked -p ttmem-shim --features failpoints --target-dir $(TARGET)/failpoints

# The ledger against a slow and obvious model of its rules, a million random steps.
test-model:
	TTMEM_MODEL_STEPS=1000000 $(CARGO) test --locked --release -p ttmem-ledger --test model --test world

# The stage and the ring under loom: every order that two threads can meet in.
test-loom:
	RUSTFLAGS="--cfg loom" $(CARGO) test --locked --release -p ttmem-ring --lib --target-dir target/loom loom_

# More threads and events than loom can go through, in 150,000 random orders: 20 s.
test-shuttle:
	RUSTFLAGS="--cfg shuttle" CARGO_PROFILE_RELEASE_LTO=off $(CARGO) test --locked --release -p ttmem-ring --lib --target-dir target/shuttle shuttle_

# The ring under ThreadSanitizer; what the standard library, which is not made for it, does behind its back is in tests/tsan.supp.
# Not part of `test`: it lets a stable compiler take unstable flags. It has a handler of bus errors of its own, so a test that dies of one
# is left out.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
test-tsan:
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" \
	    TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp" \
	    $(CARGO) test --locked --target $(HOST) --target-dir target/tsan -p ttmem-ring --lib --tests -- --skip any_other_bus_error

# On aarch64, under emulation: the way of an event, and the simulated tt-metal. One line says so where the tools are missing. Not part
# of `test`.
test-aarch64:
	sh tests/aarch64.sh

# Suites in Python test this build, wherever cargo puts it.
test-ttnn test-python test-export test-install test-docs: export TTMEM_BIN ?= $(abspath $(RELEASE))/ttmem

# The real ttnn wheel on mock devices.
test-ttnn: $(BUILD)
	$(PYTHON) tests/suite.py tests/ttnn

# The Python package and its pytest plugin, over the C ABI and over the wheel.
test-python: $(BUILD)
	$(PYTHON) tests/suite.py tests/python

# Each format of `ttmem export`, opened by readers of others.
test-export: $(BUILD)
	$(PYTHON) tests/suite.py tests/export

# The wheel in an environment of its own, with no cargo; clients that are built against it.
test-install: $(BUILD)
	$(PYTHON) tests/suite.py tests/install

# Screens, pictures and links in the documentation: as they are today; and mdBook has nothing to say about it.
test-docs: $(BUILD)
	$(PYTHON) tests/suite.py tests/docs

# The documentation as a book: target/book/index.html. mdBook itself is fetched where it is not there.
docs:
	$(PYTHON) tests/docs/book.py

demo: build
	@$(PYTHON) tests/ttnn/run_demo.py || { status=$$?; test $$status -eq 3 && sh tests/c/run_demo.sh; }

bench: build
	$(CARGO) bench --locked -p ttmem-benches

# What CI asks beside the tests.
check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked -p ttmem-shim --features switch -- -D warnings
	git diff --exit-code -- include/ttmem.h

install: build install-built

# What RELEASE has, without a build.
install-built:
	install -D -m 755 $(RELEASE)/ttmem $(DESTDIR)$(PREFIX)/bin/ttmem
	install -D -m 755 $(RELEASE)/libttmem.so $(DESTDIR)$(PREFIX)/lib/libttmem.so
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include include/ttmem.h include/ttmem.hpp
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/lib/cmake/ttmem
	install -m 644 contrib/cmake/ttmem-config.cmake $(DESTDIR)$(PREFIX)/lib/cmake/ttmem
	sed 's/@VERSION@/$(VERSION)/' contrib/cmake/ttmem-config-version.cmake.in \
	    > $(DESTDIR)$(PREFIX)/lib/cmake/ttmem/ttmem-config-version.cmake
	sed 's/@VERSION@/$(VERSION)/' contrib/ttmem.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/ttmem.pc
	$(RUNNER) $(RELEASE)/ttmem generate $(DESTDIR)$(PREFIX)/share

# A wheel for this platform: an installation and the Python package. Debug information lies beside it, in target/wheel/debug.
wheel: build wheel-built

wheel-built:
	@sh contrib/needs.sh python venv objcopy
	rm -rf $(WHEEL)
	mkdir -p $(WHEEL)/debug
	$(MAKE) --no-print-directory install-built RELEASE=$(RELEASE) DESTDIR= PREFIX=$(WHEEL)/files
	for file in bin/ttmem lib/libttmem.so; do \
	    debug=$(WHEEL)/debug/$$(basename $$file).debug && \
	    $(OBJCOPY) --only-keep-debug $(WHEEL)/files/$$file $$debug && \
	    $(OBJCOPY) --strip-all --add-gnu-debuglink=$$debug $(WHEEL)/files/$$file || exit 1; \
	done
	TTMEM_WHEEL_FILES=$(WHEEL)/files TTMEM_WHEEL_PLATFORM=$(WHEEL_PLATFORM) \
	    $(PYTHON) -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir $(WHEEL) ./python
	@ls $(WHEEL)/*.whl

# A Debian package of what `make install` installs below /usr, in target/debian.
deb: build deb-built

deb-built:
	@sh contrib/needs.sh dpkg-deb objcopy
	rm -rf $(DEBIAN)
	mkdir -p $(DEBIAN)/files/DEBIAN $(DEBIAN)/files/usr/share/doc/ttmem
	$(MAKE) --no-print-directory install-built RELEASE=$(RELEASE) DESTDIR=$(DEBIAN)/files PREFIX=/usr
	strip $(DEBIAN)/files/usr/bin/ttmem $(DEBIAN)/files/usr/lib/libttmem.so
	gzip -9n $(DEBIAN)/files/usr/share/man/man1/*.1
	install -m 644 LICENSE $(DEBIAN)/files/usr/share/doc/ttmem/copyright
	sed 's/@VERSION@/$(VERSION)/; s/@ARCHITECTURE@/'$$(dpkg --print-architecture)/ contrib/debian/control.in > $(DEBIAN)/files/DEBIAN/control
	dpkg-deb --root-owner-group --build $(DEBIAN)/files $(DEBIAN) >/dev/null
	@ls $(DEBIAN)/*.deb

clean:
	$(CARGO) clean
