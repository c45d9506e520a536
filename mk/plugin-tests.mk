# plugin-tests.mk - the tests that prove the plugin, all through build/read_policy.so; included by
# tests.mk.

# Tables that no shared object would load are held against the plugin's objects.
PLUGIN_CHECKS := $(filter-out tests/plugin/test_rules.c,\
	$(wildcard tests/policies/test_*.c tests/plugin/test_*.c tests/loader/test_*.c))
PLUGIN_CHECK_PROGRAMS := $(PLUGIN_CHECKS:%.c=$(BUILD)/%)
PLUGIN_TEST_HELPERS := $(call objects,$(addprefix tests/lib/,plugin_fixture.c scripted_read.c guarded_memory.c))

# No archives for these: only what is named here is linked.
$(PLUGIN_CHECK_PROGRAMS): TEST_ARCHIVES :=
$(PLUGIN_CHECK_PROGRAMS): TEST_LIBS = $(call pkg_libs,check) -ldl -lpthread
$(PLUGIN_CHECK_PROGRAMS): $(PLUGIN_TEST_HELPERS) $(call objects,tests/lib/suite.c tests/lib/scripted_pair.c) | $(BUILD)/read_policy.so

EXPLORER_SRC := $(filter-out tests/policies/test_%,$(wildcard tests/policies/*.c))
$(BUILD)/tests/policies/explorer: $(call objects,$(EXPLORER_SRC)) $(PLUGIN_TEST_HELPERS) | $(BUILD)/read_policy.so
	@mkdir -p $(@D)
	$(call step,LINK,$@)$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -ldl
$(call include_dependencies,$(EXPLORER_SRC))

CLUSTER_EXPLORER_SRC := $(wildcard tests/plugin/cluster/*.c)
CLUSTER_EXPLORER := $(BUILD)/tests/plugin/cluster/cluster_explorer
$(CLUSTER_EXPLORER): $(call objects,$(CLUSTER_EXPLORER_SRC)) $(PLUGIN_TEST_HELPERS) | $(BUILD)/read_policy.so
	@mkdir -p $(@D)
	$(call step,LINK,$@)$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -ldl
$(call include_dependencies,$(CLUSTER_EXPLORER_SRC))

.PHONY: explore
explore: $(BUILD)/tests/policies/explorer $(CLUSTER_EXPLORER)
	$(BUILD)/tests/policies/explorer --full
	$(CLUSTER_EXPLORER) --full

.PHONY: mutants
mutants: $(BUILD)/tests/policies/explorer $(CLUSTER_EXPLORER) $(PLUGIN_CHECK_PROGRAMS)
	BUILD=$(BUILD) $(PYTHON) tests/plugin/mutants.py --all

# Besides the suites: what is one test each, by its exit status.
PY_CHECKS := tests/plugin/check_header.py tests/plugin/check_symbols.py \
	tests/docs/check_documented_keys.py tests/docs/check_structure.py tests/plugin/mutants.py

$(BUILD)/tests/plugin/test_allocations: $(call objects,tests/lib/interposed/malloc.c)
$(call include_dependencies,tests/lib/interposed/malloc.c)

# Its functions are there for the plugin to call.
$(BUILD)/tests/plugin/test_foreign_symbols: ALL_LDFLAGS += -Wl,--export-dynamic

# Plugins that are not as they should be, each wrong in one way.
MEMBERS := name version open reload policy begin next metrics describe close
ODD_PLUGINS := $(patsubst tests/loader/odd_plugins/%.c,%,$(filter-out %/missing_member.c,\
	$(wildcard tests/loader/odd_plugins/*.c))) $(MEMBERS:%=missing_%)
ODD_OBJECTS := $(ODD_PLUGINS:%=$(BUILD)/tests/loader/odd/%.so)
ODD_COMMAND = $(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -fPIC -shared

$(BUILD)/tests/loader/odd/missing_%.so: tests/loader/odd_plugins/missing_member.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)$(ODD_COMMAND) -DMISSING=$* -o $@ $<
$(BUILD)/tests/loader/odd/%.so: tests/loader/odd_plugins/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)$(ODD_COMMAND) -o $@ $<
$(ODD_OBJECTS): tests/loader/odd_plugins/good_table.h plugin/read_policy.h

$(BUILD)/tests/loader/test_plugin_loader: $(call objects,loader/plugin_loader.c) | $(ODD_OBJECTS)

# What hosts load in tests in place of the plugin: it tells their mistakes.
STRICT_PLUGIN := $(BUILD)/tests/strict_plugin.so
$(STRICT_PLUGIN): tests/lib/strict/strict_plugin.c plugin/read_policy.h $(BUILD)/flags | $(BUILD)/read_policy.so
	@mkdir -p $(@D)
	$(call step,LINK,$@)$(Q)$(ODD_COMMAND) -fvisibility=hidden -o $@ $< -ldl -lpthread
$(BUILD)/tests/plugin/test_strict_plugin: | $(STRICT_PLUGIN)
