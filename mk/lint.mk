# lint.mk - clang-format, clang-tidy, cppcheck, shellcheck, and a build by clang; included by the
# Makefile. Each runs to its end, whatever the others find.

# Another version formats differently and finds other things: this one is in Debian 12, 13 and unstable.
LINT_LLVM := 19

LINT_FOLDERS = plugin policies strict-ini loader host-sample hosts bindings tools
C_FILES = $(sort $(shell find . \( -path './.*' -o -path ./$(BUILD) -o -name node_modules \) -prune -o -name '*.[ch]' -print))
TIDY_FILES = $(filter %.c,$(INI_SRC) $(PLUGIN_SRC) $(HOST_SRC) $(TOOL_SRC))
LINT_DEFINES = -DREAD_POLICY_VERSION=\"$(VERSION)\" -DREAD_POLICY_PLUGIN_DIR=\"$(PLUGIN_DIR)\" \
	-DREAD_POLICY_CONFIG_DIR=\"$(CONFIG_DIR)\"
SHELL_FILES = $(sort $(shell grep -rlE '^\#!/(bin/sh|usr/bin/env bash)' tools .ci))

LINTS := lint-format lint-tidy lint-cppcheck lint-shell lint-clang
.PHONY: lint format $(LINTS)
lint: lint-deps
	@$(MAKE) --no-print-directory --keep-going $(LINTS)
format:
	@tools/install-packages clang-format-$(LINT_LLVM)
	clang-format-$(LINT_LLVM) -i $(C_FILES)
lint-format:
	$Qclang-format-$(LINT_LLVM) --dry-run -Werror $(C_FILES)
# It counts on stderr where it is and what it leaves out, and says there what it cannot read: a .clang-tidy, say, without which
# it would go on with checks of its own choice. Any other output is a failure.
define TIDY
{ words=$$(clang-tidy-$(LINT_LLVM) --quiet "$$@" -- $(STANDARD) $(LINT_DEFINES) $(call pkg_cflags,$(HOST_PKGS)) \
	2>&1 >&3); } 3>&1; status=$$?; \
words=$$(printf "%s" "$$words" | grep -vE "^([0-9]+ warnings?( and [0-9]+ errors?)? generated\.|\[[0-9]+/[0-9]+\] Processing file .*)$$"); \
[ -z "$$words" ] || { printf "%s\n" "$$words" >&2; status=1; }; \
exit $$status
endef
lint-tidy:
	@clang-tidy-$(LINT_LLVM) --version > /dev/null
	$Qprintf '%s\n' $(TIDY_FILES) | xargs -P "$$(nproc)" -n 8 sh -c '$(TIDY)' sh
lint-cppcheck:
	$Qcppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,performance,portability \
		--suppress=missingIncludeSystem --suppress=missingInclude --suppress=normalCheckLevelMaxBranches \
		-I. -D'__has_include(header)=0' -D'RB_GENERATE_INTERNAL(n,t,f,c,a)=' \
		$(LINT_DEFINES) $(LINT_FOLDERS)
lint-shell:
	$Qshellcheck $(SHELL_FILES)
lint-clang:
	@$(MAKE) --no-print-directory programs CC=clang-$(LINT_LLVM) WERROR=1 BUILD=$(BUILD)/clang
