# plugin_tests.mk - the tests that prove the plugin, all through build/read_policy.so; included by
# tests.mk.

PLUGIN_CHECKS := test_policies test_waits test_budget test_abi test_reload test_allocations \
	test_plugin_loader test_threads test_options
PLUGIN_CHECK_PROGRAMS := $(addprefix $(BUILD)/tests/,$(PLUGIN_CHECKS))
PLUGIN_TEST_HELPERS := $(call objects,tests/plugin_fixture.c tests/scripted_read.c \
	tests/guarded_memory.c)

$(PLUGIN_CHECK_PROGRAMS): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(PLUGIN_TEST_HELPERS) $(call objects,tests/suite.c) \
		| $(BUILD)/read_policy.so
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(call pkg_libs,check) -ldl -lpthread

$(call objects,$(PLUGIN_CHECKS:%=tests/%.c)): PKG_CFLAGS = $(call pkg_cflags,check)
-include $(patsubst %.o,%.d,$(PLUGIN_TEST_HELPERS) $(call objects,$(PLUGIN_CHECKS:%=tests/%.c)))

EXPLORER_OBJECTS := $(call objects,tests/explorer.c tests/exploration.c tests/reload_exploration.c \
	tests/invariants.c tests/read_history.c tests/setting.c tests/candidate_reports.c)
$(BUILD)/tests/explorer: $(EXPLORER_OBJECTS) $(PLUGIN_TEST_HELPERS) | $(BUILD)/read_policy.so
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -ldl
-include $(patsubst %.o,%.d,$(EXPLORER_OBJECTS))

.PHONY: explore
explore: $(BUILD)/tests/explorer
	$(BUILD)/tests/explorer --full

.PHONY: mutants
mutants: $(BUILD)/tests/explorer $(PLUGIN_CHECK_PROGRAMS)
	BUILD=$(BUILD) $(PYTHON) tests/mutants.py --all

# Besides the suites: what is one test each, by its exit status.
PY_TESTS += tests/check_header.py tests/check_symbols.py \
	tests/check_documented_keys.py tests/mutants.py

$(BUILD)/tests/test_allocations: $(call objects,tests/interposed/malloc.c)
-include $(patsubst %.o,%.d,$(call objects,tests/interposed/malloc.c))

# Plugins that are not as they should be, each wrong in one way.
MEMBERS := name version open reload policy begin next metrics describe close
ODD_PLUGINS := $(patsubst tests/odd_plugins/%.c,%,$(filter-out %/missing_member.c,\
	$(wildcard tests/odd_plugins/*.c))) $(MEMBERS:%=missing_%)
ODD_OBJECTS := $(ODD_PLUGINS:%=$(BUILD)/tests/odd/%.so)
ODD_COMMAND = $(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -fPIC -shared

$(BUILD)/tests/odd/missing_%.so: tests/odd_plugins/missing_member.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(ODD_COMMAND) -DMISSING=$* -o $@ $<
$(BUILD)/tests/odd/%.so: tests/odd_plugins/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(ODD_COMMAND) -o $@ $<
$(ODD_OBJECTS): tests/odd_plugins/good_table.h plugin/read_policy.h

$(BUILD)/tests/test_plugin_loader: $(call objects,host-sample/plugin_loader.c) | $(ODD_OBJECTS)
