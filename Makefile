# read-policy: `make` builds, `make demo` shows, `make check` tests. `make help` lists the rest.

VERSION  := 1.1.0
PREFIX   ?= /usr/local
LIBDIR   ?= $(PREFIX)/lib
BUILD    := build
CC       ?= cc
CFLAGS   ?= -O2 -g
SANITIZE ?=
PYTHON   := /usr/bin/python3

# make takes a space for the end of a name. The checkout and DESTDIR may have some in their paths.
no_spaces = $(foreach name,$(1),$(if $(word 2,$($(name))),$(error $(name) may have no space in it: '$($(name))')))
$(call no_spaces,BUILD PREFIX LIBDIR)

# Warnings are errors for us and for CI (WERROR=1), not for users, who may have a newer compiler.
WERROR   ?=
STANDARD := -std=c17 -D_GNU_SOURCE -iquote . -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
	$(if $(filter 1,$(WERROR)),-Werror)
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
HOST_LIBS  = $(call pkg_libs,$(HOST_PKGS)) $(HTTP_PARSER_LIBS) -ldl -lpthread

# The library that parses HTTP: llhttp where there is one, http-parser on Debian 12.
HTTP_PARSER ?= $(if $(call pkg_libs,libllhttp),llhttp,http_parser)
HTTP_PARSER_LIBS = $(if $(filter llhttp,$(HTTP_PARSER)),$(call pkg_libs,libllhttp),-lhttp_parser)
HTTP_PARSER_SRC := host-sample/http/head_parser_$(HTTP_PARSER).c

# One line for each folder that is compiled and for each program; V=1 shows the commands.
V ?=
Q = $(if $(filter 1,$(V)),,@)
step = $(if $(findstring s,$(firstword -$(MAKEFLAGS))),,$(if $(filter 1,$(V)),,$(info $(1) $(2))))
first_of_folder = $(if $(SAID_$(BUILD)_$(1)),,$(eval SAID_$(BUILD)_$(1) := x)$(call step,CC  ,$(1)))

# The plugin takes what it uses of inih and libbsd into itself and hides it: whatever its host has of that
# name is not called, and the host needs neither. As shared libraries only where there are no archives.
archive = $(if $(findstring /,$(shell $(CC) $(CFLAGS) -print-file-name=lib$(1).a)),-l:lib$(1).a,-l$(1))
PLUGIN_LIBS = $(call archive,inih) $(call archive,bsd)

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
INI_SRC    := $(wildcard strict-ini/*.c)
PLUGIN_SRC := $(wildcard plugin/*.c plugin/cluster/*.c policies/*.c)
LOADER_SRC := $(wildcard loader/*.c)
HOST_LIB_SRC := $(filter-out host-sample/main.c host-sample/http/head_parser_%.c, \
	$(wildcard host-sample/*.c host-sample/*/*.c)) $(HTTP_PARSER_SRC)
HOST_SRC   := host-sample/main.c $(HOST_LIB_SRC) loader/plugin_loader.c

.DEFAULT_GOAL := all
.PHONY: all plugin
all: $(BUILD)/read_policy.so $(BUILD)/snapshot-host
plugin: $(BUILD)/read_policy.so

# Objects depend on the flags that they were made with: switching SANITIZE or CC rebuilds, and so does
# another version of the compiler or of a library, and the header of the trace points, which is optional.
VERSIONS_NOW := $(shell $(CC) --version 2>/dev/null | head -1) \
	$(shell pkg-config --modversion $(HOST_PKGS) 2>/dev/null) \
	$(if $(filter llhttp,$(HTTP_PARSER)),$(shell pkg-config --modversion libllhttp 2>/dev/null),\
		$(shell sed -n 's/^.define HTTP_PARSER_VERSION_[A-Z]* *//p' /usr/include/http_parser.h 2>/dev/null))
FLAGS_NOW := $(VERSIONS_NOW) $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(HTTP_PARSER) $(wildcard /usr/include/sys/sdt.h /usr/include/*/sys/sdt.h)
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@pkg-config --print-errors --exists $(HOST_PKGS) || \
		{ echo "A library that the build needs is missing: 'make deps' installs it." >&2; exit 1; }
	@printf '%s\n' "$(subst ",,$(FLAGS_NOW))" | cmp -s - $@ || printf '%s\n' "$(subst ",,$(FLAGS_NOW))" > $@
.PHONY: FORCE
FORCE:

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call first_of_folder,$(<D)/)$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -c $< -o $@

$(call objects,$(INI_SRC) $(PLUGIN_SRC)): ALL_CFLAGS += -fPIC -fvisibility=hidden
$(call objects,$(INI_SRC) $(PLUGIN_SRC)): PKG_CFLAGS = $(call pkg_cflags,$(INI_PKGS))
$(call objects,$(HOST_SRC)): PKG_CFLAGS = $(call pkg_cflags,$(HOST_PKGS))

$(BUILD)/read_policy.so: $(call objects,$(PLUGIN_SRC) $(INI_SRC)) plugin/read_policy.map
	$(call step,LINK,$@)$(Q)$(CC) -shared $(ALL_LDFLAGS) $(PLUGIN_LINK) -Wl,--version-script=plugin/read_policy.map \
		-Wl,-soname,read_policy.so -o $@ $(filter %.o,$^) -Wl,--exclude-libs,ALL $(PLUGIN_LIBS)

$(BUILD)/snapshot-host: $(call objects,$(HOST_SRC) $(INI_SRC))
	$(call step,LINK,$@)$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(HOST_LIBS)

# What the compiler found out about headers, for the objects that were built before.
include_dependencies = $(eval include $(wildcard $(patsubst %.o,%.d,$(call objects,$(1)))))
$(call include_dependencies,$(INI_SRC) $(PLUGIN_SRC) $(HOST_SRC))

# ---- packages -----------------------------------------------------------------------------------------

# They stand before what adds to them.
BUILD_PACKAGES := gcc libc6-dev make pkgconf libpq-dev libinih-dev libbsd-dev libevent-dev \
	'libllhttp-dev|libhttp-parser-dev'
RUN_PACKAGES   := postgresql python3 python3-psycopg2
CHECK_PACKAGES := check pgbouncer pgpool2 haproxy openssl jq g++ curl prometheus binutils systemtap-sdt-dev gnuplot-nox graphviz mandoc luajit python3-cffi patch
LINT_PACKAGES   = clang-$(LINT_LLVM) clang-format-$(LINT_LLVM) clang-tidy-$(LINT_LLVM) cppcheck shellcheck

include mk/tools.mk mk/nginx.mk mk/npm.mk mk/wheel.mk mk/hosts.mk mk/bench.mk mk/tests.mk mk/cluster-test.mk

.PHONY: deps demo-deps lint-deps
deps:
	@tools/install-packages $(BUILD_PACKAGES) $(RUN_PACKAGES) $(CHECK_PACKAGES)
demo-deps:
	@tools/install-packages $(BUILD_PACKAGES) $(RUN_PACKAGES)
lint-deps:
	@tools/install-packages $(BUILD_PACKAGES) $(CHECK_PACKAGES) $(LINT_PACKAGES)

# ---- the ways in --------------------------------------------------------------------------------------

# The packages come first, then everything else in a second make, which sees them, and uses all cores
# unless this one was told how many.
MAKE_ALL = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
.PHONY: demo demo-up check
demo: demo-deps
	@+$(MAKE_ALL) all
	@$(PYTHON) tests/demo.py
demo-up: demo-deps
	@+$(MAKE_ALL) all
	@$(PYTHON) tests/demo.py --up
check: deps
	@+$(MAKE_ALL) check-programs
	@$(MAKE) --no-print-directory run-checks

.PHONY: help
help:
	@printf '%s\n' \
	'make                    the plugin, snapshot-host and the tools, in build/; make plugin: the plugin alone' \
	'make demo               a walk through on a throwaway primary and standby (installs what is missing)' \
	'make demo-up            the same servers, left running' \
	'make check              the tests (installs what is missing)' \
	'make test T=WORD K=PART  some of them: tests/README.md' \
	'make deps               install the packages that demo and check need' \
	'make explore, mutants, fuzz MINUTES=n, soak SECONDS=n SEED=n, bench     the longer campaigns' \
	'make cluster-test       a real Patroni cluster that changes under load (installs what is missing)' \
	'make browser-test       the status page in a real browser (installs what is missing)' \
	'make conformance [HOST=COMMAND]  a host of yours, or all of ours, on real servers that lag, fail and fall silent' \
	'make incidents          which alerts fire, and when, while real servers fail (installs what is missing)' \
	'make lint               clang-format, clang-tidy, cppcheck, shellcheck; make format' \
	'make man                the manual pages, in build/man/' \
	'make nginx              the module for nginx; install-nginx, uninstall-nginx, nginx-demo, bench-nginx' \
	'make install            into $$(DESTDIR)$$(PREFIX); uninstall takes it back' \
	'make npm                the package for Node.js, in build/npm/ (installs what is missing)' \
	'make wheel              the package for Python, in build/python/' \
	'make deb                Debian packages, in build/deb/ (installs what is missing)' \
	'make deb-try            the same, tried in a clean root' \
	'make matrix             all of this on Debian 12, 13 and unstable, in clean roots: see mk/matrix.mk' \
	'make clean              remove build/' \
	'SANITIZE=address,undefined or thread, with any of them: build with sanitizers; V=1: show the commands'

# ---- manuals, installing, packages --------------------------------------------------------------------

include mk/man.mk mk/install.mk mk/deb.mk mk/lint.mk mk/matrix.mk

.PHONY: clean clean-objects
clean:
	rm -rf $(BUILD)
clean-objects:
	rm -rf $(BUILD)/obj
