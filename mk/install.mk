# install.mk - what goes where; included by the Makefile.
#
# PREFIX, LIBDIR, SYSCONF and the like say where the files will be used, and are written into those that
# name others; DESTDIR is put before them only while copying. For PREFIX = /usr, SYSCONF is /etc.

INSTALL ?= install
BINDIR  ?= $(PREFIX)/bin
INCDIR  ?= $(PREFIX)/include
MANDIR  ?= $(PREFIX)/share/man
DOCDIR  ?= $(PREFIX)/share/doc/read-policy
COMPLETION_DIR ?= $(PREFIX)/share/bash-completion/completions
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSCONF ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
$(call no_spaces,BINDIR INCDIR MANDIR DOCDIR UNITDIR SYSCONF)
PLUGIN_DIR   = $(LIBDIR)/read-policy
CONFIG_DIR   = $(SYSCONF)/read-policy
EXAMPLES_DIR ?= $(DOCDIR)/examples
HOST_EXAMPLES_DIR ?= $(EXAMPLES_DIR)

# The files that name others are written anew for another PREFIX.
PLACES = -e 's|@VERSION@|$(VERSION)|' -e 's|@PREFIX@|$(PREFIX)|' -e 's|@INCDIR@|$(INCDIR)|' \
	-e 's|@PLUGIN_DIR@|$(PLUGIN_DIR)|' -e 's|"plugin/read_policy\.h"|<read_policy.h>|' \
	-e 's|/usr/local/bin/|$(BINDIR)/|' -e 's|/usr/local/etc/|$(SYSCONF)/|' \
	-e 's|^path = .*|path = $(PLUGIN_DIR)/read_policy.so|' \
	-e 's|^config = .*|config = $(CONFIG_DIR)/read-policy.ini|' -e 's|^token = .*|token =|'
PLACED := $(addprefix $(BUILD)/install/,read-policy.pc snapshot-host.ini snapshot-host.service minimal.c)

$(BUILD)/install/places: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$(subst ",,$(PLACES))" | cmp -s - $@ || printf '%s\n' "$(subst ",,$(PLACES))" > $@
$(BUILD)/install/read-policy.pc: plugin/read-policy.pc.in
$(BUILD)/install/snapshot-host.ini: conf/snapshot-host.ini
$(BUILD)/install/snapshot-host.service: conf/snapshot-host.service
$(BUILD)/install/minimal.c: hosts/minimal/minimal.c
$(PLACED): $(BUILD)/install/places
	$(call step,MAKE,$@)$(Q)sed $(PLACES) $(filter-out %/places,$^) > $@.new
	@mv -f $@.new $@

# MODE:FILE:TARGET
INSTALLED = \
	755:$(BUILD)/policy-check:$(BINDIR)/policy-check \
	755:$(BUILD)/policy-sim:$(BINDIR)/policy-sim \
	755:$(BUILD)/snapshot-host:$(BINDIR)/snapshot-host \
	644:$(BUILD)/read_policy.so:$(PLUGIN_DIR)/read_policy.so \
	644:plugin/read_policy.h:$(INCDIR)/read_policy.h \
	644:$(BUILD)/install/read-policy.pc:$(LIBDIR)/pkgconfig/read-policy.pc \
	644:$(BUILD)/install/snapshot-host.service:$(UNITDIR)/snapshot-host.service \
	644:README.md:$(DOCDIR)/README.md \
	644:CHANGELOG.md:$(DOCDIR)/CHANGELOG.md \
	$(foreach f,$(filter-out %/HACKING.md,$(wildcard docs/*.md)),644:$f:$(DOCDIR)/$f) \
	644:LICENSE:$(DOCDIR)/LICENSE \
	644:$(BUILD)/install/minimal.c:$(EXAMPLES_DIR)/minimal.c \
	755:hosts/minimal/minimal.py:$(EXAMPLES_DIR)/minimal.py \
	644:hosts/go/host.go:$(EXAMPLES_DIR)/host.go \
	644:hosts/rust/host.rs:$(EXAMPLES_DIR)/host.rs \
	644:hosts/luajit/host.lua:$(EXAMPLES_DIR)/host.lua \
	644:conf/read-policy.ini:$(HOST_EXAMPLES_DIR)/read-policy.ini \
	644:$(BUILD)/install/snapshot-host.ini:$(HOST_EXAMPLES_DIR)/snapshot-host.ini \
	$(foreach f,$(wildcard conf/prometheus/* conf/grafana/* conf/proxy/*),644:$f:$(HOST_EXAMPLES_DIR)/$(f:conf/%=%)) \
	$(foreach f,$(wildcard conf/bash-completion/*),644:$f:$(COMPLETION_DIR)/$(notdir $f)) \
	$(foreach f,$(MAN_PAGES),644:$f:$(MANDIR)/man$(subst .,,$(suffix $f))/$(notdir $f))

# The operator's own: copied only where there is none (and renamed into place, or half of one, of a disk that was
# full, would stay), and removed only if it was not edited. The host's may hold secrets.
CONFIGURATION = 644:read-policy.ini 640:snapshot-host.ini

file_mode   = $(word 1,$(subst :, ,$(1)))
file_source = $(word 2,$(subst :, ,$(1)))
file_target = "$(DESTDIR)$(word 3,$(subst :, ,$(1)))$(2)"
host_sample = "$(DESTDIR)$(HOST_EXAMPLES_DIR)/$(call file_source,$(1))"
host_config = "$(DESTDIR)$(CONFIG_DIR)/$(call file_source,$(1))$(2)"

# Beside the old one, and then renamed over it: a running host has the plugin mapped, and would crash if it
# were written in place. The empty line ends the command.
define put_file
$(INSTALL) -D -m $(call file_mode,$(1)) $(call file_source,$(1)) $(call file_target,$(1),.new)
mv -f $(call file_target,$(1),.new) $(call file_target,$(1))

endef
define put_config
test -e $(call host_config,$(1)) || { \
	$(INSTALL) -D -m $(call file_mode,$(1)) $(call host_sample,$(1)) $(call host_config,$(1),.new) && \
	mv -f $(call host_config,$(1),.new) $(call host_config,$(1)); }

endef
define remove_config
$(Q)if cmp -s $(call host_sample,$(1)) $(call host_config,$(1)); then rm -f $(call host_config,$(1)); \
elif test -e $(call host_config,$(1)); then echo "kept because it was edited:" $(call host_config,$(1)); fi

endef

# Directories that are ours alone, the inner ones first; removed with the last of their files.
OWN_DIRS = $(foreach directory,$(HOST_EXAMPLES_DIR)/prometheus $(HOST_EXAMPLES_DIR)/grafana \
	$(HOST_EXAMPLES_DIR)/proxy \
	$(HOST_EXAMPLES_DIR) $(EXAMPLES_DIR) $(DOCDIR)/docs $(DOCDIR) $(PLUGIN_DIR) $(CONFIG_DIR),"$(DESTDIR)$(directory)")

.PHONY: install uninstall
install: $(foreach file,$(INSTALLED),$(call file_source,$(file)))
	$(foreach file,$(INSTALLED),$(call put_file,$(file)))
	$(foreach file,$(CONFIGURATION),$(call put_config,$(file)))
uninstall:
	$(foreach file,$(CONFIGURATION),$(call remove_config,$(file)))
	rm -f $(foreach file,$(INSTALLED),$(call file_target,$(file)))
	for directory in $(OWN_DIRS); do \
		test ! -d "$$directory" || rmdir --ignore-fail-on-non-empty "$$directory"; \
	done
