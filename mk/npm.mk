# npm.mk - bindings/node: the npm package read-policy, an addon with the plugin linked in; included by the
# Makefile. `make npm` builds build/npm/read-policy-VERSION.tgz.

NPM       := $(BUILD)/npm
CHECK_PACKAGES += $(if $(shell command -v npm),,nodejs npm)

# Without a node that can load it, the package is not built and its tests say so; nor with sanitizers, which
# node would have to be started with.
NODE_OLDEST := 18
NODE_MAJOR  := $(shell node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
NODE_IS_THERE := $(if $(NODE_MAJOR),$(shell test '$(NODE_MAJOR)' -ge $(NODE_OLDEST) && echo yes))
NODE_BUILT = $(if $(NODE_IS_THERE),$(if $(SANITIZE),,$(NODE_MODULES)/read-policy/package.json))

NODE_DIR  := bindings/node
NODE_SRC  := $(wildcard $(NODE_DIR)/src/*.c)
NODE_MODULES := $(NPM)/node_modules
NPM_TARBALL  := $(NPM)/read-policy-$(VERSION).tgz

# What only development needs: headers, types, and what the tests run on. Only what the lock file names.
$(NODE_MODULES)/.package-lock.json: $(NODE_DIR)/package.json $(NODE_DIR)/package-lock.json
	@mkdir -p $(NPM)
	@cp $^ $(NPM)
	$(call step,NPM ,$(NODE_MODULES)/)$(Q)cd $(NPM) && npm ci --loglevel=error --no-audit --no-fund > /dev/null
	@touch $@

$(call objects,$(NODE_SRC)): PKG_CFLAGS = -isystem $(NODE_MODULES)/node-api-headers/include -DNAPI_VERSION=8
$(call objects,$(NODE_SRC)): ALL_CFLAGS += -fPIC -fvisibility=hidden
$(call objects,$(NODE_SRC)): $(NODE_MODULES)/.package-lock.json
$(call include_dependencies,$(NODE_SRC))

NODE_ARCH := $(patsubst x86_64,x64,$(patsubst aarch64,arm64,$(shell uname -m)))
NODE_PLATFORM ?= linux-$(NODE_ARCH)-gnu
NODE_ADDON := $(NPM)/prebuilds/$(NODE_PLATFORM)/read_policy.node

# Node has its own symbols for the addon, so not all of them are defined when it is linked.
$(NODE_ADDON): $(call objects,$(NODE_SRC) $(PLUGIN_SRC) $(INI_SRC)) $(NODE_DIR)/src/addon.map
	@mkdir -p $(@D)
	$(call step,LINK,$@)$(Q)$(CC) -shared $(ALL_LDFLAGS) -Wl,--version-script=$(NODE_DIR)/src/addon.map \
		-Wl,--gc-sections -s -o $@ $(filter %.o,$^) -Wl,--exclude-libs,ALL $(PLUGIN_LIBS)

# The package's folder as it is packed, with the version that the Makefile has and nothing for development.
NODE_FILES := $(wildcard $(addprefix $(NODE_DIR)/,*.js *.mjs *.ts *.mts README.md lib/*.js examples/*))
$(NPM_TARBALL): $(NODE_FILES) $(NODE_DIR)/package.json LICENSE $(sort $(NODE_ADDON) $(wildcard $(NPM)/prebuilds/*/read_policy.node))
	@rm -rf $(NPM)/package $(NPM)/read-policy-*.tgz && mkdir -p $(NPM)/package
	@cp -r $(addprefix $(NODE_DIR)/,index.js index.mjs index.d.ts index.d.mts lib examples README.md package.json) LICENSE $(NPM)/prebuilds $(NPM)/package
	@cd $(NPM)/package && npm pkg set version=$(VERSION) && npm pkg delete devDependencies
	$(call step,PACK,$@)$(Q)cd $(NPM)/package && npm pack --loglevel=error --pack-destination .. > /dev/null
	@touch $@

# What the tests use, as `npm install` of the tarball would leave it: it has no dependencies.
$(NODE_MODULES)/read-policy/package.json: $(NPM_TARBALL) $(NODE_MODULES)/.package-lock.json
	@rm -rf $(@D) && mkdir -p $(@D)
	@tar -xzf $< -C $(@D) --strip-components=1
	@touch $@

# The addon for other platforms than this one.
NPM_OTHERS := $(if $(filter x64,$(NODE_ARCH)),linux-arm64-gnu linux-x64-musl)

.PHONY: npm npm-deps npm-others npm-package
npm-deps:
	@tools/install-packages $(BUILD_PACKAGES) $(if $(shell command -v npm),,nodejs npm)
npm-others: npm-deps $(NODE_MODULES)/.package-lock.json
	@$(if $(NPM_OTHERS),tools/install-packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross musl-tools)
	@+BUILD='$(BUILD)' tools/npm-prebuilds $(NPM_OTHERS)
npm-package: $(NPM_TARBALL)
# The packages come first, then everything else in makes of their own, which see them.
npm: npm-others
	@$(MAKE) --no-print-directory npm-package

# What a hit costs a host in Node.js.
.PHONY: bench-node-hit
bench-node-hit: npm-deps
	@tools/install-packages $(RUN_PACKAGES)
	@$(MAKE) --no-print-directory $(NODE_BUILT)
	@$(PYTHON) bench/node_hit.py $(DOSE)
