# tools.mk - the programs around the plugin: policy-check and policy-sim, and the smallest host;
# included by the Makefile. All of them know the plugin by plugin/read_policy.h alone.

CHECK_SRC   := $(wildcard tools/policy-check/*.c)
SIM_SRC     := $(wildcard tools/policy-sim/*.c tools/policy-sim/*/*.c)
MINIMAL_SRC := hosts/minimal/minimal.c
TOOL_SRC    := $(CHECK_SRC) $(SIM_SRC) $(MINIMAL_SRC) loader/find_plugin.c

all: $(BUILD)/policy-check $(BUILD)/policy-sim $(BUILD)/minimal-host

# Where programs look for what is installed; another PREFIX recompiles them.
DIRS_NOW = $(PLUGIN_DIR) $(CONFIG_DIR)
$(BUILD)/installed-dirs: FORCE
	@mkdir -p $(BUILD)
	@printf '%s\n' '$(DIRS_NOW)' | cmp -s - $@ || printf '%s\n' '$(DIRS_NOW)' > $@
USES_PLUGIN_DIR := $(call objects,loader/find_plugin.c tools/policy-check/main.c tools/policy-sim/options.c)
USES_CONFIG_DIR := $(call objects,host-sample/main.c)
$(USES_PLUGIN_DIR) $(USES_CONFIG_DIR): $(BUILD)/installed-dirs
$(USES_PLUGIN_DIR): ALL_CFLAGS += -DREAD_POLICY_PLUGIN_DIR='"$(PLUGIN_DIR)"'
$(USES_CONFIG_DIR): ALL_CFLAGS += -DREAD_POLICY_CONFIG_DIR='"$(CONFIG_DIR)"'
$(call objects,tools/policy-sim/record/recorder.c $(MINIMAL_SRC)): PKG_CFLAGS = $(call pkg_cflags,libpq)

$(BUILD)/policy-check: $(call objects,$(CHECK_SRC) $(LOADER_SRC))
	$(call step,LINK,$@)$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -ldl

$(BUILD)/policy-sim: $(call objects,$(SIM_SRC) $(LOADER_SRC))
	$(call step,LINK,$@)$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(call pkg_libs,libpq) -ldl

$(BUILD)/minimal-host: $(call objects,$(MINIMAL_SRC))
	$(call step,LINK,$@)$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(call pkg_libs,libpq) -ldl

$(call include_dependencies,$(TOOL_SRC))
