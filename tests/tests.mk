# tests.mk - how the tests are built and run; included by the Makefile.
#
# Every tests/test_*.c is a Check program of its own and may use any object of the host, the plugin and
# the INI reader: they are linked as archives, so each takes just what it uses.

TEST_LIBS = $(call pkg_libs,check) $(HOST_LIBS)
TEST_HELPERS := $(filter-out $(wildcard tests/test_*.c tests/fuzz_*.c) tests/explorer.c,$(wildcard tests/*.c))

$(BUILD)/tests/libhost.a: $(call objects,$(HOST_LIB_SRC))
$(BUILD)/tests/libplugin.a: $(call objects,$(PLUGIN_SRC))
$(BUILD)/tests/libini.a: $(call objects,$(INI_SRC))
$(BUILD)/tests/libhelpers.a: $(call objects,$(TEST_HELPERS))
$(BUILD)/tests/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $(filter %.o,$^)

TEST_ARCHIVES := $(addprefix $(BUILD)/tests/,libhelpers.a libhost.a libplugin.a libini.a)
TEST_SRC := $(C_TESTS) $(TEST_HELPERS)
$(call objects,$(TEST_SRC)): PKG_CFLAGS = $(call pkg_cflags,check $(HOST_PKGS))
-include $(patsubst %.o,%.d,$(call objects,$(TEST_SRC)))

# These suites fail each allocation in turn.
wrap = $(foreach function,$(1),-Wl,--wrap=$(function))
$(BUILD)/tests/test_strict_ini: ALL_LDFLAGS += $(call wrap,malloc calloc realloc strdup strndup ini_parse_stream)
$(BUILD)/tests/test_http_memory: ALL_LDFLAGS += $(call wrap,malloc calloc realloc)
$(BUILD)/tests/test_snapshot_result: ALL_LDFLAGS += $(call wrap,malloc realloc)

$(BUILD)/tests/test_%: $(BUILD)/obj/tests/test_%.o $(TEST_ARCHIVES)
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(TEST_ARCHIVES) $(TEST_LIBS)

include tests/plugin_tests.mk
include tests/fuzz.mk

C_TEST_PROGRAMS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(C_TESTS))

# Most of them wait most of the time, for servers to start and for time to pass: more of them at a time
# than there are cores. The longest come first.
CHECK_JOBS ?= 3
LONG_TESTS := tests/test_faults.py $(BUILD)/tests/test_pg_server tests/test_policy_sim_honesty.py
CHECKS = $(LONG_TESTS) $(filter-out $(LONG_TESTS),$(C_TEST_PROGRAMS) $(BUILD)/tests/explorer $(PY_TESTS) bench/smoke.py)

.PHONY: check-programs run-checks soak
check-programs: all bench-programs $(C_TEST_PROGRAMS) $(BUILD)/tests/explorer
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/dose SANITIZE=address,undefined CFLAGS='-O1 -g' dose-programs
run-checks:
	@$(PYTHON) tests/run.py --jobs $(CHECK_JOBS) $(CHECKS) $(DOSE_CHECKS)

SECONDS ?= 60
SEED ?=
soak: all
	$(PYTHON) tests/soak.py --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))
