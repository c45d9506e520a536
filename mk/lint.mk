# lint.mk - clang-format, clang-tidy, cppcheck, shellcheck; included by the Makefile.

LINT_FOLDERS = plugin policies strict-ini loader host-sample hosts tools
C_FILES = $(shell git ls-files "*.c" "*.h")
TIDY_FILES = $(filter %.c,$(INI_SRC) $(PLUGIN_SRC) $(HOST_SRC) $(TOOL_SRC))
.PHONY: lint lint-run
lint: lint-deps
	@$(MAKE) --no-print-directory lint-run
lint-run:
	clang-format --dry-run -Werror $(C_FILES)
	clang-tidy --quiet $(TIDY_FILES) -- $(STANDARD) -DREAD_POLICY_VERSION='"$(VERSION)"' \
		-DREAD_POLICY_PLUGIN_DIR='"$(LIBDIR)/read-policy"' $(call pkg_cflags,$(HOST_PKGS))
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,performance,portability \
		--suppress=missingIncludeSystem -I. -D'RB_GENERATE_INTERNAL(n,t,f,c,a)=' -DREAD_POLICY_VERSION='"$(VERSION)"' $(LINT_FOLDERS)
	shellcheck tools/install-packages tools/try-packages tools/try-service .ci/run
	@$(MAKE) --no-print-directory all CC=clang BUILD=$(BUILD)/clang
