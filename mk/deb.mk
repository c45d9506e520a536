# deb.mk - Debian packages; included by the Makefile.

DEB_PACKAGES := build-essential debhelper lintian debootstrap systemtap-sdt-dev systemd-container curl

.PHONY: deb deb-try deb-deps
deb-deps:
	@tools/install-packages $(BUILD_PACKAGES) python3 nginx-dev $(DEB_PACKAGES)

# In a copy of the tree, which stays as clean as it was; the packages end up in build/deb/.
deb: deb-deps
	rm -rf $(BUILD)/deb
	mkdir -p $(BUILD)/deb/read-policy-$(VERSION)
	tar --exclude-vcs --exclude=./$(BUILD) -cf - . | tar -C $(BUILD)/deb/read-policy-$(VERSION) -xf -
	cd $(BUILD)/deb/read-policy-$(VERSION) && env -u MAKEFLAGS -u MAKELEVEL dpkg-buildpackage -b -us -uc
	lintian --fail-on error --display-info $(BUILD)/deb/*.changes

# Installs, runs and removes them in a clean root of their own, and boots it.
deb-try: deb
	tools/try-packages $(BUILD)/deb $(BUILD)/deb-root
