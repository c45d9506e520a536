# cluster-test.mk - snapshot-host before a real Patroni cluster that changes under load; included by the
# Makefile. Not one of `make check`: it takes some minutes.

CLUSTER_PACKAGES := patroni etcd-server haproxy

.PHONY: cluster-test cluster-test-deps
cluster-test-deps: deps
	@tools/install-packages $(CLUSTER_PACKAGES)
cluster-test: cluster-test-deps
	@$(MAKE) --no-print-directory all
	@PYTHONPATH=tests/lib $(PYTHON) -B tests/host-sample/cluster/patroni_changes.py
