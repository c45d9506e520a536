# tests.mk - how the tests are built and run; included by the Makefile.
#
# Every test_*.c below tests/ is a Check program of its own and may use any object of the host, the plugin
# and the INI reader: they are linked as archives, so each takes just what it uses. The suites that prove
# the plugin (plugin-tests.mk) link none of it: they load build/read_policy.so.

tests_named = $(sort $(foreach depth,* */* */*/*,$(wildcard tests/$(depth)/$(1))))
C_TESTS  := $(call tests_named,test_*.c)
PY_TESTS := $(filter-out $(if $(SANITIZE),tests/bindings/%),$(call tests_named,test_*.py))

TEST_LIBS = $(call pkg_libs,check) $(HOST_LIBS)
TEST_HELPERS := $(wildcard tests/lib/*.c)

$(BUILD)/tests/libhost.a: $(call objects,$(HOST_LIB_SRC) loader/plugin_loader.c)
$(BUILD)/tests/libplugin.a: $(call objects,$(PLUGIN_SRC))
$(BUILD)/tests/libini.a: $(call objects,$(INI_SRC))
$(BUILD)/tests/libhelpers.a: $(call objects,$(TEST_HELPERS))
# q, not r: objects of the same name in different folders are all kept.
$(BUILD)/tests/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar qcs $@ $(filter %.o,$^)

TEST_ARCHIVES := $(addprefix $(BUILD)/tests/,libhelpers.a libhost.a libplugin.a libini.a)
TEST_SRC := $(C_TESTS) $(TEST_HELPERS)
$(call objects,$(TEST_SRC)): PKG_CFLAGS = $(call pkg_cflags,check $(HOST_PKGS))
$(call include_dependencies,$(TEST_SRC))

# These suites fail each allocation in turn.
wrap = $(foreach function,$(1),-Wl,--wrap=$(function))
$(BUILD)/tests/strict-ini/test_strict_ini: ALL_LDFLAGS += $(call wrap,malloc calloc realloc strdup strndup ini_parse_stream)
$(BUILD)/tests/host-sample/http/test_http_memory: ALL_LDFLAGS += $(call wrap,malloc calloc realloc)
$(BUILD)/tests/host-sample/snapshots/test_snapshot_result: ALL_LDFLAGS += $(call wrap,malloc realloc)

C_TEST_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(C_TESTS))
$(C_TEST_PROGRAMS): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(TEST_ARCHIVES)
	@mkdir -p $(@D)
	$(call step,LINK,$@)$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter-out %/flags,$(filter %.o,$^)) $(TEST_ARCHIVES) $(TEST_LIBS)

include mk/plugin-tests.mk mk/fuzz.mk

# Most of them wait most of the time, for servers to start and for time to pass: more of them at a time
# than there are cores. The longest come first.
CHECK_JOBS ?= $(shell expr $$(nproc) + 2)
# The explorers take ten times as long with a sanitizer.
CHECK_LIMIT := $(if $(SANITIZE),3600,900)
LONG_TESTS := tests/host-sample/test_faults.py $(BUILD)/tests/policies/explorer $(CLUSTER_EXPLORER) \
	$(BUILD)/tests/host-sample/postgres/test_pg_server tests/tools/policy-sim/test_policy_sim_honesty.py \
	tests/host-sample/test_exact_reads.py tests/conformance/test_conformance.py tests/host-sample/test_facts.py tests/host-sample/test_changes.py tests/policies/test_new_policy.py tests/lib/test_harness.py \
	tests/host-sample/test_admin.py bench/smoke.py tests/plugin/mutants.py
CHECKS = $(LONG_TESTS) $(filter-out $(LONG_TESTS),$(C_TEST_PROGRAMS) $(BUILD)/tests/policies/explorer \
	$(PY_TESTS) $(PY_CHECKS) bench/smoke.py)

# What has threads, under ThreadSanitizer too: a short dose of `make check SANITIZE=thread`, in a build folder
# of its own.
THREADED := $(if $(SANITIZE),,$(addprefix $(BUILD)/threads/tests/,plugin/test_threads host-sample/postgres/test_pg_server) \
	tests/host-sample/test_reload_servers.py)
THREADED_PROGRAMS := $(filter $(BUILD)/%,$(THREADED)) $(if $(THREADED),$(BUILD)/threads/tests/strict_plugin.so)
THREADS_MAKE = $(MAKE) --no-print-directory BUILD=$(BUILD)/threads SANITIZE=thread CFLAGS='-O1 -g'

.PHONY: programs check-programs run-checks soak
# Every program that is built here, those of the tests included: whether it builds, for other compilers and flags.
programs: all bench-programs $(STRICT_PLUGIN) $(C_TEST_PROGRAMS) $(BUILD)/tests/policies/explorer $(CLUSTER_EXPLORER)
check-programs: programs $(NGINX_MODULE) $(NODE_BUILT) $(WHEEL_DIR)/built $(OTHER_HOSTS)
	@+$(DOSE_MAKE) dose-programs
	@+test -z '$(THREADED)' || $(THREADS_MAKE) all $(THREADED_PROGRAMS)
run-checks:
	@$(PYTHON) tests/run.py --jobs $(CHECK_JOBS) --limit $(CHECK_LIMIT) $(THREADED:%='BUILD=$(BUILD)/threads %') $(CHECKS) \
		$(call dose_checks,$(FUZZ_NAMES))

# make test T=policies runs the suites whose path has that word (or one of several); K=direct_read those
# of their tests that have that in their names.
T ?=
K ?=
has_word = $(strip $(foreach word,$(T),$(findstring $(word),$(1:$(BUILD)/%=%))))
CHOSEN = $(strip $(foreach check,$(CHECKS),$(if $(call has_word,$(check)),$(check))))
CHOSEN_DOSES = $(strip $(foreach name,$(FUZZ_NAMES),$(if $(call has_word,tests/fuzz/corpus/$(name)),$(name))))
# What those need that are no programs themselves, besides `all`.
NEEDS_bench/smoke.py = bench-programs
NEEDS_tests/lib/test_harness.py = $(addprefix $(BUILD)/tests/,policies/test_policies plugin/test_abi \
	host-sample/postgres/test_pg_group)
NEEDS_tests/bindings/node/test_node.py = $(NODE_BUILT)
NEEDS_tests/bindings/python/test_wheel.py = $(WHEEL_DIR)/built
NEEDS_tests/conformance/test_conformance.py = $(OTHER_HOSTS) $(NODE_BUILT)
NEEDS_tests/hosts/test_rows_of_hosts.py = $(OTHER_HOSTS)
NEEDS_tests/hosts/nginx/test_nginx_host.py = $(NGINX_MODULE)
NEEDS_tests/plugin/mutants.py = $(BUILD)/tests/policies/explorer $(CLUSTER_EXPLORER) $(PLUGIN_CHECK_PROGRAMS)

.PHONY: test chosen-programs
chosen-programs: all $(STRICT_PLUGIN) $(filter $(BUILD)/%,$(CHOSEN)) $(foreach check,$(CHOSEN),$(NEEDS_$(check)))
	@+test -z "$(CHOSEN_DOSES)" || $(DOSE_MAKE) $(CHOSEN_DOSES:%=$(BUILD)/dose/tests/dose_%)
test: deps
	@test -n '$(T)' || { echo 'make test T=WORD [K=PART]: the suites with WORD in their path, and of those' \
		'the tests with PART in their name' >&2; exit 2; }
	@test -n '$(CHOSEN)$(CHOSEN_DOSES)' || { echo "no suite has '$(T)' in its path" >&2; exit 2; }
	@$(MAKE) --no-print-directory chosen-programs
	@$(PYTHON) tests/run.py $(if $(K),--case '$(K)') $(CHOSEN) $(call dose_checks,$(CHOSEN_DOSES))

# The status page in a real browser: half a minute and 300 MB of packages, so it is no part of `make check`.
.PHONY: browser-test
browser-test: deps all
	@tools/install-packages chromium chromium-driver
	$(PYTHON) tests/run.py tests/host-sample/browser.py

# Real incidents, with the rules as they are shipped: twenty minutes.
.PHONY: incidents
incidents: deps all
	PYTHONPATH=tests/lib:tests/conf $(PYTHON) tests/conf/incidents.py $(INCIDENTS)

SECONDS ?= 60
SEED ?=
# With STANDBYS=2 servers fail over too.
STANDBYS ?= 1
SOAK_PROGRAM := $(if $(filter 2,$(STANDBYS)),failover_soak.py,soak.py)
soak: all $(STRICT_PLUGIN)
	PYTHONPATH=tests/lib HOST_PLUGIN='$(abspath $(STRICT_PLUGIN))' $(PYTHON) -B tests/host-sample/$(SOAK_PROGRAM) --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))
