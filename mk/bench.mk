# bench.mk - how fast it is, against everything else one could use; included by the Makefile.
#
# `make bench` measures all, in some 50 minutes on 2 cores, `make bench-NAME` one question (DOSE="--rounds 3
# --seconds 1" makes it quick); each prints its ratios and writes NAME*.csv and NAME*.png in bench/results, or
# in $BENCH_RESULTS. At the end, or with `make bench-summary`, the figures that must hold are printed as a
# table. `make bench-lag PG_MAJOR=19` measures waiting replicas, where there are such. `make bench-smoke` runs
# a short dose of each and asserts that the figures are there, not how good they are.

BENCHES := decision core hit current mixed throughput lag freshest watched growth before
# What the longest may take; none comes near it.
BENCH_LIMIT := 40m
BENCH_PACKAGES := postgresql python3 python3-psycopg2 valgrind gnuplot-nox wrk pgbouncer pgpool2

BENCH_PROGRAM_SRC := $(addprefix bench/,core.c decision.c sections.c hit.c one_client.c lag.c)
BENCH_SRC := $(wildcard bench/*.c)
BENCH_HELPER_SRC := $(filter-out $(BENCH_PROGRAM_SRC) bench/bare_calls.c,$(BENCH_SRC))
BENCH_PROGRAMS := $(patsubst bench/%.c,$(BUILD)/bench/%,$(BENCH_PROGRAM_SRC))

$(call objects,$(BENCH_SRC)): PKG_CFLAGS = $(call pkg_cflags,$(HOST_PKGS))
$(call objects,bench/bare_calls.c): ALL_CFLAGS += -fPIC
$(call include_dependencies,$(BENCH_SRC))

# Each program takes what it uses of its own helpers and of the host.
$(BUILD)/bench/libbench.a: $(call objects,$(BENCH_HELPER_SRC))
$(BUILD)/bench/libhost.a: $(call objects,$(HOST_LIB_SRC) loader/plugin_loader.c $(INI_SRC))
$(BUILD)/bench/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar qcs $@ $(filter %.o,$^)

BENCH_ARCHIVES := $(BUILD)/bench/libbench.a $(BUILD)/bench/libhost.a
$(BENCH_PROGRAMS): $(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $(BENCH_ARCHIVES)
	$(call step,LINK,$@)$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(BENCH_ARCHIVES) $(HOST_LIBS)

$(BUILD)/bench/bare_calls.so: $(call objects,bench/bare_calls.c)
	@mkdir -p $(@D)
	$(call step,LINK,$@)$(Q)$(CC) -shared $(ALL_LDFLAGS) -o $@ $<

# The plugin, but for what it compares itself with: it tells no replica to wait.
ASKS_OBJECT := $(BUILD)/obj/bench/questions_that_ask.o
$(ASKS_OBJECT): plugin/cluster/questions.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -fPIC -fvisibility=hidden -DWAITS_FROM=UINT32_MAX $(call pkg_cflags,$(INI_PKGS)) -c $< -o $@
$(BUILD)/bench/read_policy_asks.so: $(filter-out %/questions.o,$(call objects,$(PLUGIN_SRC) $(INI_SRC))) $(ASKS_OBJECT)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(ALL_LDFLAGS) $(PLUGIN_LINK) -Wl,--version-script=plugin/read_policy.map \
		-o $@ $^ -Wl,--exclude-libs,ALL $(PLUGIN_LIBS)

# The original's driver. Only what the lock file names is installed.
$(BUILD)/bench/node_modules: bench/package.json bench/package-lock.json
	@mkdir -p $(@D)
	cp $^ $(@D)
	npm ci --prefix $(@D) --loglevel=error --no-audit --no-fund > /dev/null
	@touch $@

.PHONY: bench bench-deps bench-programs bench-node bench-summary bench-smoke $(addprefix bench-,$(BENCHES))
bench-deps:
	@tools/install-packages $(BUILD_PACKAGES) $(BENCH_PACKAGES)
	@command -v node >/dev/null && command -v npm >/dev/null || tools/install-packages nodejs npm
bench-programs: $(BUILD)/read_policy.so $(BUILD)/snapshot-host $(BENCH_PROGRAMS) $(BUILD)/bench/bare_calls.so \
	$(BUILD)/bench/read_policy_asks.so
bench-node: $(BUILD)/bench/node_modules

# The packages come first, then everything else in a make of its own, which sees them.
bench: bench-deps
	@$(MAKE) --no-print-directory bench-programs bench-node
	@for name in $(BENCHES); do begun=$$(date +%s); timeout $(BENCH_LIMIT) $(PYTHON) bench/$$name.py $(DOSE) || exit 1; \
		echo "bench-$$name took $$(($$(date +%s) - begun)) s"; done
	@$(MAKE) --no-print-directory bench-node-hit bench-nginx
	@$(PYTHON) bench/summary.py
bench-summary:
	@$(PYTHON) bench/summary.py
$(addprefix bench-,$(BENCHES)): bench-%: bench-deps
	@$(MAKE) --no-print-directory bench-programs bench-node
	@$(PYTHON) bench/$*.py $(DOSE)
bench-smoke: bench-programs
	@$(PYTHON) bench/smoke.py
