/*
 * record_command.c - policy-sim record: writes what the recorder finds to a file.
 */
#include "commands.h"
#include "options.h"
#include "tools/policy-sim/model/quantity.h"
#include "tools/policy-sim/record/recorder.h"
#include "tools/policy-sim/report/new_file.h"

#include <inttypes.h>
#include <stdio.h>

#define ERROR_BYTES 1024u

static int failed(const char *err) {
    (void)fprintf(stderr, "policy-sim: %s\n", err);
    return EXIT_FAILED;
}

/* What was recorded before a failure is left in the part. */
static int failed_after(const struct recording *recording, const struct new_file *file,
                        const char *err) {
    if (recording->samples > 0) {
        (void)fprintf(stderr, "policy-sim: %" PRIu64 " samples are in %s\n", recording->samples,
                      file->part);
    }
    return failed(err);
}

static int record(const struct record_options *options, char *err) {
    struct recording recording = {.primary = options->primary,
                                  .replica = options->replica,
                                  .length_ns = options->seconds * NS_PER_S,
                                  .interval_ns = options->interval_ns};
    struct new_file file;
    if (!new_file_open(&file, options->out, err, ERROR_BYTES)) {
        return failed(err);
    }
    /* Whoever interrupts it finds what there is. */
    (void)fprintf(stderr, "policy-sim: recording to %s, which becomes %s at the end\n", file.part,
                  options->out);
    if (!record_lag(&recording, file.out, err, ERROR_BYTES)) {
        new_file_give_up(&file, recording.samples > 0);
        return failed_after(&recording, &file, err);
    }
    if (recording.samples == 0) {
        new_file_give_up(&file, false);
        return failed(
            "the replica did not reach any commit while it was watched: is there traffic?");
    }
    if (!new_file_keep(&file, true, err, ERROR_BYTES)) {
        return failed_after(&recording, &file, err);
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
