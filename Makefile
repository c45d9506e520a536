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
HOST_SRC   := $(wildcard host-sample/*.c)
HOST_LIB_SRC := $(filter-out host-sample/main.c,$(HOST_SRC))

.DEFAULT_GOAL := all
.PHONY: all
all: $(BUILD)/read_policy.so $(BUILD)/snapshot-host

# Objects depend on the flags that they were made with: switching SANITIZE or CC rebuilds.
FLAGS_NOW := $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)
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
include tests/tests.mk
