# man.mk - the manual pages, from templates and from the tables in the code; included by the Makefile.
# They need Python, which building and running do not.

MAN_PAGES := $(patsubst man/%.in,$(BUILD)/man/%,$(wildcard man/*.in))
CHECK_PACKAGES += mandoc python3-yaml

MAN_VALUES = --set VERSION=$(VERSION) --set PLUGIN_DIR=$(PLUGIN_DIR) --set SYSCONF=$(SYSCONF) \
	--set BINDIR=$(BINDIR) --set DOCDIR=$(DOCDIR) --set EXAMPLES_DIR=$(EXAMPLES_DIR) --set HOST_EXAMPLES_DIR=$(HOST_EXAMPLES_DIR)

# Another PREFIX renders them anew.
$(BUILD)/man/values: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(MAN_VALUES)' | cmp -s - $@ || printf '%s\n' '$(MAN_VALUES)' > $@

$(BUILD)/man/%: man/%.in $(wildcard man/*.py) plugin/read_policy.h docs/writing-a-host.md $(BUILD)/man/values \
		$(BUILD)/read_policy.so $(BUILD)/policy-check $(BUILD)/policy-sim $(BUILD)/snapshot-host
	$(call step,MAN ,$@)$(Q)$(PYTHON) -B man/render.py --build $(BUILD) $(MAN_VALUES) $< > $@.new
	@mv -f $@.new $@

.PHONY: man
man: $(MAN_PAGES)
