/*
 * probes.h - static trace points (USDT) of provider snapshot_host, for bpftrace and SystemTap.
 *
 * A probe that nobody listens to is one nop instruction. Built without <sys/sdt.h> (Debian's
 * systemtap-sdt-dev) there are none.
 *
 *   lookup_begin(lookup, run id, snapshot id)
 *   lookup_wait(lookup)           the first read did not end it
 *   lookup_done(lookup, verdict, served by, microseconds)   see enum rp_verdict, enum rp_served_by
 *
 * `lookup` tells lookups apart that are under way at once.
 */
#ifndef PROBES_H
#define PROBES_H

#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#ifdef __clang__
/* The macros of sys/sdt.h end in empty variable arguments, here where they are expanded. */
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#if __has_warning("-Wc23-extensions")
#pragma clang diagnostic ignored "-Wc23-extensions"
#endif
#endif
#define PROBE_LOOKUP_BEGIN(lookup, run, snapshot)                                                  \
    DTRACE_PROBE3(snapshot_host, lookup_begin, lookup, run, snapshot)
#define PROBE_LOOKUP_WAIT(lookup) DTRACE_PROBE1(snapshot_host, lookup_wait, lookup)
#define PROBE_LOOKUP_DONE(lookup, verdict, served_by, microseconds)                                \
    DTRACE_PROBE4(snapshot_host, lookup_done, lookup, verdict, served_by, microseconds)
#else
#define PROBE_LOOKUP_BEGIN(lookup, run, snapshot)                   ((void)0)
#define PROBE_LOOKUP_WAIT(lookup)                                   ((void)0)
#define PROBE_LOOKUP_DONE(lookup, verdict, served_by, microseconds) ((void)0)
#endif

#endif
