# make          builds libttmem.so and ttmem into target/release
# make test     runs every test            make demo     shows a report of a real program
# make bench    measures what it costs     make install  PREFIX=/usr/local
# make docs     builds the book              make wheel    builds the Python wheel into target/wheel

PREFIX ?= /usr/local
CARGO ?= cargo
PYTHON ?= python3
RELEASE = target/release
# Of the workspace, and so of all parts.
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
WHEEL = $(CURDIR)/target/wheel
WHEEL_PLATFORM = manylinux_2_34_$(shell uname -m)

.PHONY: build test test-rust test-model test-loom test-shuttle test-tsan test-aarch64 test-ttnn test-python test-export test-install
.PHONY: test-docs docs demo bench check install install-built wheel wheel-built clean

build:
	$(CARGO) build --release --locked -p ttmem-shim -p ttmem

# The wheel first: others look at it too.
test: build test-ttnn test-rust test-model test-loom test-shuttle test-python test-export test-install test-docs

test-rust: build
	$(CARGO) test --locked --workspace --exclude ttmem-benches

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
# Not part of `test`: it lets a stable compiler take unstable flags.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
test-tsan:
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" \
	    TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp" \
	    $(CARGO) test --locked --target $(HOST) --target-dir target/tsan -p ttmem-ring --lib --tests

# The way of an event on aarch64, under emulation; one line says so where the tools are missing. Not part of `test`.
test-aarch64:
	sh tests/aarch64.sh

# The real ttnn wheel on mock devices.
test-ttnn: build
	$(PYTHON) -m unittest discover -s tests/ttnn -p 'test_*.py'

# The Python package and its pytest plugin, over the C ABI and over the wheel.
test-python: build
	$(PYTHON) -m unittest discover -s tests/python -p 'test_*.py'
# Each format of `ttmem export`, opened by readers of others.
test-export: build
	$(PYTHON) -m unittest discover -s tests/export -p 'test_*.py'

# The wheel in an environment of its own, with no cargo; clients that are built against it.
test-install: build
	$(PYTHON) -m unittest discover -s tests/install -p 'test_*.py'

# Screens, pictures and links in the documentation: as they are today; and mdBook has nothing to say about it.
test-docs: build
	$(PYTHON) docs/screens.py --check
	$(PYTHON) tests/docs/pictures.py --check
	$(PYTHON) -m unittest discover -s tests/docs -p 'test_*.py'
	$(PYTHON) tests/docs/book.py

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
	$(RELEASE)/ttmem generate $(DESTDIR)$(PREFIX)/share

# A wheel for this platform: an installation and the Python package. Debug information lies beside it, in target/wheel/debug.
wheel: build wheel-built

wheel-built:
	rm -rf $(WHEEL)
	mkdir -p $(WHEEL)/debug
	$(MAKE) --no-print-directory install-built RELEASE=$(RELEASE) DESTDIR= PREFIX=$(WHEEL)/files
	for file in bin/ttmem lib/libttmem.so; do \
	    debug=$(WHEEL)/debug/$$(basename $$file).debug && \
	    objcopy --only-keep-debug $(WHEEL)/files/$$file $$debug && \
	    objcopy --strip-all --add-gnu-debuglink=$$debug $(WHEEL)/files/$$file || exit 1; \
	done
	TTMEM_WHEEL_FILES=$(WHEEL)/files TTMEM_WHEEL_PLATFORM=$(WHEEL_PLATFORM) \
	    $(PYTHON) -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir $(WHEEL) ./python
	@ls $(WHEEL)/*.whl

clean:
	$(CARGO) clean
