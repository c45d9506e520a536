# wheel.mk - bindings/python: the package read_policy, with the plugin beside its code; included by the
# Makefile. `make wheel` builds build/python/read_policy-VERSION-*.whl and the sdist, offline.

WHEEL_DIR   := $(BUILD)/python
CHECK_PACKAGES += binutils mypy python3-asyncpg python3-django python3-pip python3-psycopg python3-sqlalchemy

WHEEL_FILES := $(wildcard $(addprefix bindings/python/,*.py *.toml *.md read_policy/*)) LICENSE

$(WHEEL_DIR)/built: $(WHEEL_FILES) $(BUILD)/read_policy.so
	@rm -rf $(WHEEL_DIR)
	@mkdir -p $(WHEEL_DIR)
	$(call step,PACK,$(WHEEL_DIR)/)$(Q)READ_POLICY_OBJECT='$(abspath $(BUILD)/read_policy.so)' PYTHONPATH=bindings/python \
		$(PYTHON) -B -c 'import sys, build_backend as b; b.build_wheel(sys.argv[1]); b.build_sdist(sys.argv[1])' $(WHEEL_DIR)
	@touch $@

.PHONY: wheel wheel-deps wheel-package
wheel-deps:
	@tools/install-packages $(BUILD_PACKAGES) binutils python3
wheel-package: $(WHEEL_DIR)/built
# The packages come first, then everything else in a second make, which sees them.
wheel: wheel-deps
	@$(MAKE) --no-print-directory wheel-package
