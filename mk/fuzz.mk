# fuzz.mk - libFuzzer targets, tests/fuzz/fuzz_NAME.c with their kept inputs in tests/fuzz/corpus/NAME/; included
# by tests.mk.
#
# make check gives each a short dose without libFuzzer (fuzz_dose.c), built with sanitizers in a build
# folder of its own. make fuzz MINUTES=n runs libFuzzer on each for that long; what it finds becomes a
# file of the corpus.

FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(filter-out %/fuzz_dose.c,$(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_PACKAGES := clang
MINUTES ?= 1

DOSES := $(FUZZ_NAMES:%=$(BUILD)/tests/dose_%)
FUZZERS := $(FUZZ_NAMES:%=$(BUILD)/tests/fuzz_%)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
$(call objects,$(FUZZ_SRC)): PKG_CFLAGS = $(call pkg_cflags,check $(HOST_PKGS))
$(call include_dependencies,$(FUZZ_SRC))

$(DOSES): $(BUILD)/tests/dose_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/obj/tests/fuzz/fuzz_dose.o $(TEST_ARCHIVES)
	$(call step,LINK,$@)$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(TEST_ARCHIVES) $(TEST_LIBS)

$(FUZZERS): $(BUILD)/tests/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(TEST_ARCHIVES)
	$(call step,LINK,$@)$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $< $(TEST_ARCHIVES) $(TEST_LIBS)

.PHONY: dose-programs fuzz-programs fuzz
dose-programs: $(DOSES)
fuzz-programs: $(FUZZERS)

# The names that run.py is given: a command and its corpus in one word.
dose_checks = $(foreach name,$(1),'$(BUILD)/dose/tests/dose_$(name) tests/fuzz/corpus/$(name)')
DOSE_MAKE = $(MAKE) --no-print-directory BUILD=$(BUILD)/dose SANITIZE=address,undefined CFLAGS='-O1 -g'

# For libFuzzer 0 is no limit, which is also what the shell makes of a word.
fuzz:
	@case '$(MINUTES)' in ''|0*|*[!0-9]*) echo "MINUTES=$(MINUTES): expected a whole number, from 1 on" >&2; exit 1;; esac
	@tools/install-packages $(BUILD_PACKAGES) check $(FUZZ_PACKAGES)
	@tools/install-packages libclang-rt-$$(clang -dumpversion | cut -d. -f1)-dev
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=clang SANITIZE=address,undefined \
		CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' fuzz-programs
	@for name in $(FUZZ_NAMES); do \
		mkdir -p $(BUILD)/fuzz/found/$$name; \
		echo "== $$name, $(MINUTES) min"; \
		$(BUILD)/fuzz/tests/fuzz_$$name -max_total_time=$$(( $(MINUTES) * 60 )) -print_final_stats=0 \
			-verbosity=0 -artifact_prefix=$(BUILD)/fuzz/found/$$name- \
			$(BUILD)/fuzz/found/$$name tests/fuzz/corpus/$$name || exit 1; \
	done
