# nginx.mk - the plugin in nginx: one dynamic module for the nginx that Debian has, plugin linked in;
# included by the Makefile.

NGINX_PACKAGES := nginx nginx-dev
CHECK_PACKAGES += $(NGINX_PACKAGES)
NGINX_HEADERS  := /usr/share/nginx/src
NGINX_SRC      := $(wildcard hosts/nginx/*.c)
NGINX_MODULE   := $(BUILD)/nginx/ngx_http_read_policy_module.so

# nginx's headers need what its configure finds out, with the options that this nginx was built with. It
# writes into the folder that it is called in: links to the sources will do.
# A module fits the nginx that it was built with, and no other version.
NGINX_NOW := $(shell sed -n 's/^.define nginx_version *//p' $(NGINX_HEADERS)/src/core/nginx.h 2>/dev/null)
$(BUILD)/nginx/version: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(NGINX_NOW)' | cmp -s - $@ || printf '%s\n' '$(NGINX_NOW)' > $@
$(BUILD)/nginx/objs/ngx_auto_config.h: $(NGINX_HEADERS)/conf_flags $(BUILD)/nginx/version
	@mkdir -p $(@D)
	@ln -sfn $(NGINX_HEADERS)/auto $(NGINX_HEADERS)/src $(BUILD)/nginx
	$(call step,CONF,$(BUILD)/nginx)$(Q)cd $(BUILD)/nginx && bash -c '. $(NGINX_HEADERS)/conf_flags && \
		$(NGINX_HEADERS)/configure "$${NGX_CONF_FLAGS[@]}"' > configure.log 2>&1 || { cat configure.log >&2; exit 1; }

NGINX_INCLUDES := $(BUILD)/nginx/objs $(addprefix $(NGINX_HEADERS)/src/,core event event/modules event/quic os/unix \
	http http/modules http/v2 http/v3)
$(call objects,$(NGINX_SRC)): PKG_CFLAGS = $(addprefix -isystem ,$(NGINX_INCLUDES))
$(call objects,$(NGINX_SRC)): ALL_CFLAGS += -fPIC -fvisibility=hidden
$(call objects,$(NGINX_SRC)): $(BUILD)/nginx/objs/ngx_auto_config.h
$(call include_dependencies,$(NGINX_SRC))

# The libraries that the plugin needs are linked in too, and none of it can be seen from outside.
$(NGINX_MODULE): $(call objects,$(NGINX_SRC) $(PLUGIN_SRC) $(INI_SRC)) hosts/nginx/module.map
	$(call step,LINK,$@)$(Q)$(CC) -shared $(ALL_LDFLAGS) -Wl,--version-script=hosts/nginx/module.map \
		-Wl,--exclude-libs,ALL -o $@ $(filter %.o,$^) -l:libinih.a -l:libbsd.a

.PHONY: nginx nginx-deps nginx-module nginx-demo bench-nginx
nginx-deps:
	@tools/install-packages $(BUILD_PACKAGES) $(NGINX_PACKAGES)
nginx-module: $(NGINX_MODULE)
# The packages come first, then everything else in a second make, which sees them.
nginx: nginx-deps
	@$(MAKE) --no-print-directory nginx-module
nginx-demo: nginx
	@PYTHONPATH=tests/lib $(PYTHON) -B tests/hosts/nginx/demo.py

# Into the folder that this nginx loads modules from, whatever PREFIX is. Nothing loads it before somebody says so in nginx.conf.
NGINX_MODULES_DIR ?= /usr/lib/nginx/modules
NGINX_DOCDIR      ?= $(DOCDIR)/nginx
NGINX_INSTALLED = 644:$(NGINX_MODULE):$(NGINX_MODULES_DIR)/$(notdir $(NGINX_MODULE)) \
	$(foreach f,README.md nginx.conf read-policy.ini,644:hosts/nginx/$f:$(NGINX_DOCDIR)/$f)
.PHONY: install-nginx uninstall-nginx
install-nginx: $(NGINX_MODULE)
	$(foreach file,$(NGINX_INSTALLED),$(call put_file,$(file)))
uninstall-nginx:
	rm -f $(foreach file,$(NGINX_INSTALLED),$(call file_target,$(file)))
	test ! -d "$(DESTDIR)$(NGINX_DOCDIR)" || rmdir --ignore-fail-on-non-empty "$(DESTDIR)$(NGINX_DOCDIR)"

# The last of `make bench`: it measures nginx, and needs nothing of PostgreSQL.
bench-nginx: nginx
	@tools/install-packages wrk
	@$(PYTHON) bench/nginx.py $(DOSE)
