# cluster-test.mk - snapshot-host before a real Patroni cluster that changes under load; included by the
# Makefile. Not one of `make check`: it takes some minutes.

CLUSTER_PACKAGES := patroni etcd-server haproxy

.PHONY: cluster-test cluster-test-deps
cluster-test-deps: deps
	@tools/install-packages $(CLUSTER_PACKAGES)
cluster-test: cluster-test-deps
	@$(MAKE) --no-print-directory all $(STRICT_PLUGIN)
	@LINEAGES=all $(PYTHON) tests/run.py --limit 900 tests/host-sample/cluster/test_lineages.py \
		tests/host-sample/cluster/test_clocks_and_losses.py
	@PYTHONPATH=tests/lib $(PYTHON) -B tests/host-sample/cluster/patroni_changes.py
