# matrix.mk - the same on every Debian: in clean roots, one table at the end; included by the Makefile.
#
# make matrix SUITES=trixie STEPS=check,clang; without them, everything on Debian 12, 13 and unstable, which
# takes hours. tools/matrix-step has the steps; the roots stay in $(ROOTS) for the next time.

SUITES ?= bookworm trixie sid
STEPS  ?=
ROOTS  ?=

.PHONY: matrix
matrix:
	@SUITES='$(SUITES)' STEPS='$(STEPS)' ROOTS='$(ROOTS)' tools/matrix
