/*
 * record_command.c - policy-sim record: writes what the recorder finds to a file.
 */
#include "commands.h"
#include "options.h"
#include "tools/policy-sim/model/quantity.h"
#include "tools/policy-sim/record/recorder.h"
#include "tools/policy-sim/report/new_file.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ERROR_BYTES 1024u

static int failed(const char *err) {
    (void)fprintf(stderr, "policy-sim: %s\n", err);
    return EXIT_FAILED;
}

/* The recording under way, for the signal that ends it: a handler is handed nothing. */
static const struct recording *under_way;
static struct new_file file;
static char left[PATH_MAX + 64]; /* what is said then */

/* What was recorded before a failure is left in the part. */
static int failed_after(const struct recording *recording, const char *err) {
    if (recording->samples > 0) {
        (void)fprintf(stderr, "policy-sim: %" PRIu64 " samples are in %s\n", recording->samples,
                      file.part);
    }
    return failed(err);
}

/* A part without a sample would only be in the way of the next recording. */
static void end_by(int signal_number) {
    if (under_way->samples == 0) {
        (void)unlink(file.part);
    } else if (write(STDERR_FILENO, left, strlen(left)) < 0) {
        /* then nobody is told */
    }
    (void)raise(signal_number);
}

/* The signal comes again after the handler, which was for one time only, and ends the program. */
static void watch_signals(const struct recording *recording) {
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = end_by, .sa_flags = (int)SA_RESETHAND};
    under_way = recording;
    (void)snprintf(left, sizeof left, "policy-sim: interrupted: what was recorded is in %s\n",
                   file.part);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        (void)sigaction(ends[i], &action, NULL);
    }
}

static int record(const struct record_options *options, char *err) {
    struct recording recording = {.primary = options->primary,
                                  .replica = options->replica,
                                  .length_ns = options->seconds * NS_PER_S,
                                  .interval_ns = options->interval_ns};
    if (!new_file_open(&file, options->out, err, ERROR_BYTES)) {
        return failed(err);
    }
    watch_signals(&recording);
    if (!record_lag(&recording, file.out, err, ERROR_BYTES)) {
        new_file_give_up(&file, recording.samples > 0);
        return failed_after(&recording, err);
    }
    if (recording.samples == 0) {
        new_file_give_up(&file, false);
        return failed(
            "the replica did not reach any commit while it was watched: is there traffic?");
    }
    if (!new_file_keep(&file, true, err, ERROR_BYTES)) {
        return failed_after(&recording, err);
    }
    (void)fprintf(stderr, "policy-sim: %" PRIu64 " samples, after %" PRIu64 " without a commit\n",
                  recording.samples, recording.unknown);
    return EXIT_DONE;
}

int record_command(int argc, char **argv) {
    struct record_options options;
    char err[ERROR_BYTES] = "";
    if (!record_options_parse(argc, argv, &options, err, sizeof err)) {
        (void)fprintf(stderr, "policy-sim: %s; see policy-sim record --help\n", err);
        return EXIT_USAGE;
    }
    if (options.version) {
        (void)printf("policy-sim %s\n", READ_POLICY_VERSION);
        return 0;
    }
    if (options.help) {
        record_options_help(stdout);
        return EXIT_DONE;
    }
    return record(&options, err);
}
