# read-policy: `make` builds, `make demo` shows, `make check` tests. `make help` lists the rest.

VERSION  := 1.0.0
PREFIX   ?= /usr/local
LIBDIR   ?= $(PREFIX)/lib
BUILD    := build
CC       ?= cc
CFLAGS   ?= -O2 -g
SANITIZE ?=
PYTHON   := /usr/bin/python3

STANDARD := -std=c17 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
ifneq ($(SANITIZE),)
HARDEN   := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
PLUGIN_LINK :=
else
HARDEN   := -fstack-protector-strong
PLUGIN_LINK := -Wl,-z,defs
endif

pkg_cflags = $(shell pkg-config --cflags $(1) 2>/dev/null)
pkg_libs   = $(shell pkg-config --libs $(1) 2>/dev/null)

INI_PKGS  := inih libbsd-overlay
HOST_PKGS := $(INI_PKGS) libpq libevent_core
ALL_CFLAGS = $(STANDARD) $(HARDEN) $(CFLAGS) -MMD -MP -DREAD_POLICY_VERSION='"$(VERSION)"'
LDFLAGS   ?=
ALL_LDFLAGS = $(HARDEN) $(LDFLAGS) -Wl,-z,relro,-z,now
HOST_LIBS  = $(call pkg_libs,$(HOST_PKGS)) -lhttp_parser -ldl -lpthread

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
INI_SRC    := $(wildcard strict-ini/*.c)
PLUGIN_SRC := $(wildcard plugin/*.c) $(wildcard policies/*.c)
HOST_SRC   := $(filter-out host-sample/minimal.c,$(wildcard host-sample/*.c))
HOST_LIB_SRC := $(filter-out host-sample/main.c,$(HOST_SRC))
C_TESTS      := $(wildcard tests/test_*.c)
PY_TESTS     := $(wildcard tests/test_*.py)

.DEFAULT_GOAL := all
.PHONY: all
all: $(BUILD)/read_policy.so $(BUILD)/snapshot-host

# Objects depend on the flags that they were made with: switching SANITIZE or CC rebuilds, and so does
# the header of the trace points, which need not be there.
FLAGS_NOW := $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(wildcard /usr/include/sys/sdt.h /usr/include/*/sys/sdt.h)
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@printf '%s\n' "$(subst ",,$(FLAGS_NOW))" | cmp -s - $@ || printf '%s\n' "$(subst ",,$(FLAGS_NOW))" > $@
.PHONY: FORCE
FORCE:

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -c $< -o $@

$(call objects,$(INI_SRC) $(PLUGIN_SRC)): ALL_CFLAGS += -fPIC -fvisibility=hidden
$(call objects,$(INI_SRC) $(PLUGIN_SRC)): PKG_CFLAGS = $(call pkg_cflags,$(INI_PKGS))
$(call objects,$(HOST_SRC)): PKG_CFLAGS = $(call pkg_cflags,$(HOST_PKGS))

$(BUILD)/read_policy.so: $(call objects,$(PLUGIN_SRC) $(INI_SRC)) plugin/read_policy.map
	$(CC) -shared $(ALL_LDFLAGS) $(PLUGIN_LINK) -Wl,--version-script=plugin/read_policy.map \
		-Wl,-soname,read_policy.so -o $@ $(filter %.o,$^) $(call pkg_libs,$(INI_PKGS))

$(BUILD)/snapshot-host: $(call objects,$(HOST_SRC) $(INI_SRC))
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(HOST_LIBS)

-include $(patsubst %.o,%.d,$(call objects,$(INI_SRC) $(PLUGIN_SRC) $(HOST_SRC)))
-include tools.mk
include bench/bench.mk
include tests/tests.mk

# ---- packages -----------------------------------------------------------------------------------------

BUILD_PACKAGES := gcc libc6-dev make pkgconf libpq-dev libinih-dev libbsd-dev libevent-dev libhttp-parser-dev
RUN_PACKAGES   := postgresql python3 python3-psycopg2
CHECK_PACKAGES := check g++ curl prometheus binutils systemtap-sdt-dev gnuplot-nox graphviz mandoc
LINT_PACKAGES  := clang clang-format clang-tidy cppcheck shellcheck

.PHONY: deps demo-deps lint-deps
deps:
	@tools/install-packages $(BUILD_PACKAGES) $(RUN_PACKAGES) $(CHECK_PACKAGES)
demo-deps:
	@tools/install-packages $(BUILD_PACKAGES) $(RUN_PACKAGES)
lint-deps:
	@tools/install-packages $(BUILD_PACKAGES) $(CHECK_PACKAGES) $(LINT_PACKAGES)

# ---- the ways in --------------------------------------------------------------------------------------

# The packages come first, then everything else in a make of its own, which sees them.
.PHONY: demo demo-up check
demo: demo-deps
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tests/demo.py
demo-up: demo-deps
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tests/demo.py --up
check: deps
	@$(MAKE) --no-print-directory check-programs
	@$(MAKE) --no-print-directory run-checks

.PHONY: help
help:
	@printf '%s\n' \
	'make                    build/read_policy.so and build/snapshot-host' \
	'make demo               a walk through on a throwaway primary and standby (installs what is missing)' \
	'make demo-up            the same servers, left running' \
	'make check              the tests (installs what is missing)' \
	'make deps               install the packages that demo and check need' \
	'make explore, mutants, fuzz MINUTES=n, soak SECONDS=n SEED=n, bench     the longer campaigns' \
	'make lint               clang-format, clang-tidy, cppcheck, shellcheck' \
	'make man                the manual pages, in build/man/' \
	'make install            into $$(DESTDIR)$$(PREFIX); uninstall takes it back' \
	'make deb                Debian packages, in build/deb/ (installs what is missing)' \
	'make deb-try            the same, tried in a clean root' \
	'make clean              remove build/' \
	'SANITIZE=address,undefined or thread, with any of them: build with sanitizers'

# ---- lint ---------------------------------------------------------------------------------------------

C_FILES = $(shell git ls-files '*.c' '*.h')
TIDY_FILES = $(filter %.c,$(INI_SRC) $(PLUGIN_SRC) $(HOST_SRC) $(TOOL_SRC))
.PHONY: lint lint-run
lint: lint-deps
	@$(MAKE) --no-print-directory lint-run
lint-run:
	clang-format --dry-run -Werror $(C_FILES)
	clang-tidy --quiet $(TIDY_FILES) -- $(STANDARD) -DREAD_POLICY_VERSION='"$(VERSION)"' \
		-DREAD_POLICY_PLUGIN_DIR='"$(LIBDIR)/read-policy"' $(call pkg_cflags,$(HOST_PKGS))
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,performance,portability \
		--suppress=missingIncludeSystem -D'RB_GENERATE_INTERNAL(n,t,f,c,a)=' -DREAD_POLICY_VERSION='"$(VERSION)"' plugin policies strict-ini host-sample policy-check policy-sim
	shellcheck tools/install-packages tools/try-packages tools/try-service .ci/run
	@$(MAKE) --no-print-directory all CC=clang BUILD=$(BUILD)/clang

# ---- manuals, installing, packages --------------------------------------------------------------------

include man/man.mk install.mk deb.mk

.PHONY: clean clean-objects
clean:
	rm -rf $(BUILD)
clean-objects:
	rm -rf $(BUILD)/obj
