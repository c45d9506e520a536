# hosts.mk - the hosts in other languages, and the kit that tries hosts; included by the Makefile.
#
# They are built where there is a toolchain, which nobody else needs: Debian's golang-go, rustc, luajit. Not with
# sanitizers, which their runtimes would have to be started with.

GO    := $(if $(SANITIZE),,$(shell command -v go))
RUSTC := $(if $(SANITIZE),,$(firstword $(wildcard /usr/bin/rustc) $(shell command -v rustc)))
PQ_SONAME := libpq.so.5

OTHER_HOSTS := $(if $(GO),$(BUILD)/hosts/go-host) $(if $(RUSTC),$(BUILD)/hosts/rust-host)

# Go's cache does not look into headers: another header is another flag.
$(BUILD)/hosts/go-host: hosts/go/host.go plugin/read_policy.h
	@mkdir -p $(@D)
	$(call step,GO  ,$@)$(Q)CGO_ENABLED=1 CGO_CFLAGS="-O2 '-I$(abspath plugin)' -DHEADER=$$(cksum < plugin/read_policy.h | cut -d ' ' -f 1)" GOCACHE='$(abspath $(BUILD))/hosts/go-cache' \
		GOFLAGS=-mod=mod GO111MODULE=off $(GO) build -o $@ $<
$(BUILD)/hosts/rust-host: hosts/rust/host.rs
	@mkdir -p $(@D)
	$(call step,RUST,$@)$(Q)env -u MAKEFLAGS -u MFLAGS $(RUSTC) -O -D warnings -o $@ $< -C link-arg=-l:$(PQ_SONAME)

# make conformance tries all hosts of the tree; with HOST='COMMAND' that one, as tests/conformance/conformance.py --help says.
HOST ?=
.PHONY: conformance
conformance: deps
	@$(MAKE) --no-print-directory all $(OTHER_HOSTS) $(NODE_BUILT)
	@$(if $(HOST),$(PYTHON) -B tests/conformance/conformance.py '$(subst ','\'',$(HOST))',PYTHONPATH=tests/lib $(PYTHON) -B tests/conformance/known_hosts.py)
