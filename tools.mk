# tools.mk - the programs around the plugin: policy-check and policy-sim, and the smallest host;
# included by the Makefile. All of them know the plugin by plugin/read_policy.h alone.

CHECK_SRC   := $(wildcard policy-check/*.c)
SIM_SRC     := $(wildcard policy-sim/*.c)
MINIMAL_SRC := host-sample/minimal.c
LOADER_SRC  := host-sample/plugin_loader.c policy-check/find_plugin.c
TOOL_SRC    := $(CHECK_SRC) $(SIM_SRC) $(MINIMAL_SRC)

all: $(BUILD)/policy-check $(BUILD)/policy-sim $(BUILD)/minimal-host

# Where programs look for the plugin that is installed: another PREFIX compiles it in anew.
PLUGIN_DIR_NOW := $(LIBDIR)/read-policy
$(BUILD)/plugin-dir: FORCE
	@mkdir -p $(BUILD)
	@printf '%s\n' '$(PLUGIN_DIR_NOW)' | cmp -s - $@ || printf '%s\n' '$(PLUGIN_DIR_NOW)' > $@
USES_PLUGIN_DIR := $(call objects,policy-check/find_plugin.c policy-check/main.c policy-sim/options.c)
$(USES_PLUGIN_DIR): $(BUILD)/plugin-dir
$(USES_PLUGIN_DIR): PKG_CFLAGS = -DREAD_POLICY_PLUGIN_DIR='"$(PLUGIN_DIR_NOW)"'
$(call objects,policy-sim/recorder.c $(MINIMAL_SRC)): PKG_CFLAGS = $(call pkg_cflags,libpq)

$(BUILD)/policy-check: $(call objects,$(CHECK_SRC) host-sample/plugin_loader.c)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -ldl

$(BUILD)/policy-sim: $(call objects,$(SIM_SRC) $(LOADER_SRC))
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(call pkg_libs,libpq) -ldl

$(BUILD)/minimal-host: $(call objects,$(MINIMAL_SRC))
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(call pkg_libs,libpq) -ldl

-include $(patsubst %.o,%.d,$(call objects,$(TOOL_SRC)))
