/*
 * options.c - the tables of options, and the checks that concern several of them.
 */
#include "options.h"

#include "option_table.h"
#include "tools/policy-sim/model/quantity.h"

#include <string.h>

#define AT(member)        offsetof(struct sim_options, member)
#define IN(member)        offsetof(struct sim_options, scenario.member)
#define RECORD_AT(member) offsetof(struct record_options, member)
#define ROW_COUNT(rows)   (sizeof(rows) / sizeof((rows)[0]))

#define DEFAULT_LAG     "exponential:1ms"
#define DEFAULT_LOOKUPS "100000"

#define MAX_LOOKUPS UINT64_C(1000000000)

#define FOR_SIMULATE ((unsigned)COMMAND_SIMULATE)
#define FOR_REPLAY   ((unsigned)COMMAND_REPLAY)
#define FOR_ADVISE   ((unsigned)COMMAND_ADVISE)

/* ---- simulate -------------------------------------------------------------------------------- */

static bool take_section(void *out, const char *text, char *err, size_t err_length) {
    struct sim_options *options = out;
    if (options->section_count == OPTIONS_MAX_SECTIONS) {
        (void)snprintf(err, err_length, "--section: at most %u sections", OPTIONS_MAX_SECTIONS);
        return false;
    }
    options->sections[options->section_count++] = text;
    return true;
}

static bool take_replica(void *out, const char *text, char *err, size_t err_length) {
    struct sim_options *options = out;
    struct scenario *scenario = &options->scenario;
    char why[1024];
    bool none = strcmp(text, "none") == 0;
    if (options->replicas_given && (none || scenario->replica_count == 0)) {
        (void)snprintf(err, err_length, "--replica: none cannot be combined with others");
        return false;
    }
    options->replicas_given = true;
    if (none) {
        return true;
    }
    if (scenario->replica_count == SCENARIO_MAX_REPLICAS) {
        (void)snprintf(err, err_length, "--replica: at most %u replicas", SCENARIO_MAX_REPLICAS);
        return false;
    }
    if (!lag_model_parse(text, &scenario->replicas[scenario->replica_count], why, sizeof why)) {
        (void)snprintf(err, err_length, "--replica: %s", why);
        return false;
    }
    scenario->replica_count++;
    return true;
}

static bool take_lookups(void *out, const char *text, char *err, size_t err_length) {
    struct sim_options *options = out;
    uint64_t lookups;
    if (!quantity_count(text, 1, MAX_LOOKUPS, &lookups)) {
        (void)snprintf(err, err_length,
                       "--lookups: \"%s\" is not accepted; expected a number from 1 to 1000000000",
                       text);
        return false;
    }
    options->scenario.lookups = (uint32_t)lookups;
    return true;
}

static const struct option_row sim_rows[] = {
    {"section", "NAME", OPTION_OTHER, 0, 0, 0, NULL, take_section,
     "A section of FILE to run; may be given several times. Without it: all of them.",
     FOR_SIMULATE | FOR_REPLAY},
    {"plugin", "PATH", OPTION_TEXT, 0, 0, AT(plugin), NULL, NULL,
     "The plugin. Without it: read_policy.so beside this program, else the installed "
     "one,\n" READ_POLICY_PLUGIN_DIR "/read_policy.so.",
     0},
    {"seed", "N", OPTION_COUNT, 0, UINT32_MAX, IN(seed), "1", NULL,
     "The same seed gives the same output, to the byte.", 0},
    {"day", "FILE", OPTION_TEXT, 0, 0, AT(day), NULL, NULL,
     "What was looked up: the access log of a snapshot-host ([log] access = yes), other lines\n"
     "among it or not, or lines \"time,age,found\" after that header: seconds of any clock, the\n"
     "row's age in seconds (nothing: it was on every server), 1 or 0. -: standard input.",
     FOR_REPLAY | FOR_ADVISE},
    {"save-day", "FILE", OPTION_TEXT, 0, 0, AT(save_day), NULL, NULL,
     "Write what is replayed as such lines, which name nobody.", FOR_REPLAY},
    {"max-primary-reads", "N", OPTION_COUNT, 1, 1000000, AT(goals.primary_reads), NULL, NULL,
     "The most reads of the primary in any one second, of all processes together.", FOR_ADVISE},
    {"max-latency", "TIME", OPTION_DURATION, 1, 0, AT(goals.p99_ns), NULL, NULL,
     "The most latency that the policy may add to 99 % of the lookups.", FOR_ADVISE},
    {"max-shed", "SHARE", OPTION_SHARE, 0, 0, AT(goals.shed), "1", NULL,
     "The greatest share of the lookups that may be shed.", FOR_ADVISE},
    {"lookups", "N", OPTION_OTHER, 0, 0, 0, DEFAULT_LOOKUPS, take_lookups,
     "How many lookups there are in all. Without it and with a trace: as many as come while it\n"
     "lasts.",
     FOR_SIMULATE},
    {"rate", "R", OPTION_RATE, 0, 0, IN(interval_ns), "1000", NULL,
     "How many arrive per second, in all processes together, at random moments.", FOR_SIMULATE},
    {"processes", "N", OPTION_COUNT, 1, SCENARIO_MAX_PROCESSES, IN(processes), "1", NULL,
     "Processes of the host: each has its own budget and its own links, and locates the\n"
     "primary for itself.",
     0},
    {"replica", "LAG", OPTION_OTHER, 0, 0, 0, DEFAULT_LAG, take_replica,
     "A replica; may be given several times. `none`: there is no replica. LAG is one of\n"
     "  constant:TIME            always TIME behind; a TIME alone means the same\n"
     "  exponential:MEAN[,MIN]   catches up at random moments: MIN and an exponentially\n"
     "                           distributed time behind\n"
     "  bursts:MIN,PEAK,EVERY,LENGTH\n"
     "                           MIN behind; about once in EVERY it stops replaying until it\n"
     "                           is PEAK behind, and catches up at once after LENGTH\n"
     "  trace:FILE               as recorded: lines \"time,lag\" in seconds after that header\n"
     "                           (see policy-sim record --help); repeated at its end",
     0},
    {"fresh", "SHARE", OPTION_SHARE, 0, 0, IN(fresh), "0.1", NULL,
     "Share of lookups of rows that were committed just before. All other existing rows are\n"
     "on every replica.",
     FOR_SIMULATE},
    {"age", "TIME", OPTION_MODEL, 0, 0, IN(age), "0", NULL,
     "How old those rows are when the lookup arrives: TIME, uniform:MIN,MAX or\n"
     "exponential:MEAN[,MIN]. 0: sent right after the commit.",
     FOR_SIMULATE},
    {"age", "TIME", OPTION_MODEL, 0, 0, IN(age), "0", NULL,
     "How old a row was that a replica missed, as far as the recorded lag leaves it open: TIME,\n"
     "uniform:MIN,MAX or exponential:MEAN[,MIN]. 0: sent right after the commit.",
     FOR_REPLAY | FOR_ADVISE},
    {"bogus", "SHARE", OPTION_SHARE, 0, 0, IN(bogus), "0", NULL,
     "Share of lookups of ids that do not exist.", FOR_SIMULATE},
    {"positions", "SHARE", OPTION_SHARE, 0, 0, IN(positions), "0", NULL,
     "Share of the lookups of fresh rows whose client brings the row's WAL position.", 0},
    {"commits", "R", OPTION_RATE, 0, 0, IN(commit_interval_ns), NULL, NULL,
     "Commits per second on the primary besides those of the fresh rows, at random moments. The\n"
     "primary is located at its last commit, so a quiet one is reached sooner. Without this\n"
     "option it commits all the time.",
     0},
    {"replica-read", "TIME", OPTION_MODEL, 0, 0, IN(replica_read), "0.1ms", NULL,
     "How long a read of a replica takes; same forms as --age. The default is what snapshot-host\n"
     "has on one machine; add your network's round trip, here and below.",
     0},
    {"primary-read", "TIME", OPTION_MODEL, 0, 0, IN(primary_read), "0.1ms", NULL,
     "How long a read of the primary takes.", 0},
    {"position-read", "TIME", OPTION_MODEL, 0, 0, IN(position_read), "0.05ms", NULL,
     "How long asking a server for its WAL position takes: locating the primary, and each\n"
     "question to a replica whose position is awaited.",
     0},
    {"question-read", "TIME", OPTION_MODEL, 0, 0, IN(question_read), "0.04ms", NULL,
     "How much longer a read takes whose answer counts only with the server's position: such a\n"
     "question is sent along with the read.",
     0},
    {"replica-failures", "SHARE", OPTION_SHARE, 0, 0, IN(replica_failures), "0", NULL,
     "Share of the reads of a replica that fail.", 0},
    {"links", "N", OPTION_COUNT, 0, 1000, IN(links), "2", NULL,
     "Links of each process to each server; further statements queue up.\n"
     "0: any number.",
     0},
    {"max-lookups", "N", OPTION_COUNT, 1, 1000000, IN(max_lookups), "1024", NULL,
     "Lookups under way at once in each process; more are refused.", 0},
    {"timeout", "TIME", OPTION_DURATION, 1, 0, IN(timeout_ns), "5s", NULL,
     "A lookup that takes longer than this has failed.", 0},
    {"timer-step", "TIME", OPTION_DURATION, 0, 0, IN(timer_step_ns), "0", NULL,
     "A process that has nothing to do sleeps for a multiple of this, as a loop around poll or\n"
     "epoll_wait does (1ms). 0: until its next timer, as snapshot-host does.",
     0},
    {"retries", "N", OPTION_COUNT, 0, 100, IN(repeats), "0", NULL,
     "How often a client repeats a lookup that was shed, refused or failed; each time counts as\n"
     "a lookup.",
     0},
    {"retry-wait", "TIME", OPTION_MODEL, 0, 0, IN(repeat_wait), "uniform:1s,2s", NULL,
     "How long it waits after it was shed or refused; same forms as --age. The default is what\n"
     "snapshot-host asks for. After a failure it waits 0.5 s, and twice as long each time.",
     0},
    {"csv", NULL, OPTION_FLAG, 0, 0, AT(csv), NULL, NULL,
     "Print CSV, one line per section, times in microseconds, instead of the table.",
     FOR_SIMULATE | FOR_REPLAY},
    {"plot", "FILE", OPTION_TEXT, 0, 0, AT(plot), NULL, NULL,
     "Plot the run second by second into a PNG file. Needs gnuplot.", 0},
    {"help", NULL, OPTION_FLAG, 0, 0, AT(help), NULL, NULL, "This text.", 0},
    {"version", NULL, OPTION_FLAG, 0, 0, AT(version), NULL, NULL, "The version.", 0},
};

/* As many as come while the longest trace lasts; 0: there is no trace. */
static uint64_t lookups_of_trace(const struct scenario *scenario) {
    uint64_t longest_ns = 0;
    for (uint32_t i = 0; i < scenario->replica_count; i++) {
        const struct lag_model *model = &scenario->replicas[i];
        if (model->kind == LAG_TRACE && model->trace.period_ns > longest_ns) {
            longest_ns = model->trace.period_ns;
        }
    }
    /* A little more, since they come at random moments. */
    uint64_t lookups = longest_ns / scenario->interval_ns;
    lookups += longest_ns > 0 ? lookups / 100 + 1 : 0;
    return lookups < MAX_LOOKUPS ? lookups : MAX_LOOKUPS;
}

static bool check_simulate(struct sim_options *options, char *err, size_t err_length) {
    struct scenario *scenario = &options->scenario;
    if ((uint64_t)scenario->bogus + scenario->fresh > SHARE_ALL) {
        (void)snprintf(err, err_length, "--bogus and --fresh are more than all lookups together");
        return false;
    }
    if (scenario->lookups == 0) {
        scenario->lookups = (uint32_t)lookups_of_trace(scenario);
    }
    if (scenario->lookups == 0) {
        (void)take_lookups(options, DEFAULT_LOOKUPS, err, err_length);
    }
    if (scenario->lookups > QUANTITY_MAX_NS / scenario->interval_ns) {
        (void)snprintf(err, err_length,
                       "this number of --lookups at this --rate takes over 31 days");
        return false;
    }
    return true;
}

static bool check(struct sim_options *options, char *err, size_t err_length) {
    if (options->command == COMMAND_SIMULATE) {
        return check_simulate(options, err, err_length);
    }
    if (options->day == NULL) {
        (void)snprintf(err, err_length, "--day is needed");
        return false;
    }
    return true;
}

/* advise makes its own policies. */
static bool take_file(struct sim_options *options, int argc, char **argv, int first, char *err,
                      size_t err_length) {
    const int wanted = options->command == COMMAND_ADVISE ? 0 : 1;
    if (argc - first < wanted) {
        (void)snprintf(err, err_length, "no FILE");
        return false;
    }
    if (argc - first > wanted) {
        (void)snprintf(err, err_length, "unexpected argument %s", argv[first + wanted]);
        return false;
    }
    options->file = wanted > 0 ? argv[first] : NULL;
    return true;
}

bool sim_options_parse(enum sim_command of, int argc, char **argv, struct sim_options *options,
                       char *err, size_t err_length) {
    *options = (struct sim_options){.command = of};
    int first = option_table_parse(sim_rows, ROW_COUNT(sim_rows), (unsigned)of, argc, argv, options,
                                   err, err_length);
    if (first < 0) {
        return false;
    }
    if (options->help || options->version) {
        return true;
    }
    if (!take_file(options, argc, argv, first, err, err_length)) {
        return false;
    }
    if (!options->replicas_given && !take_replica(options, DEFAULT_LAG, err, err_length)) {
        return false;
    }
    return check(options, err, err_length);
}

void sim_options_free(struct sim_options *options) {
    for (uint32_t i = 0; i < options->scenario.replica_count; i++) {
        lag_model_free(&options->scenario.replicas[i]);
    }
    options->scenario.replica_count = 0;
}

static const char simulate_help[] =
    "usage: policy-sim [OPTION...] FILE\n"
    "       policy-sim replay --day FILE --replica trace:FILE [OPTION...] FILE\n"
    "       policy-sim advise --day FILE --replica trace:FILE [GOAL...] [OPTION...]\n"
    "       policy-sim record [OPTION...]\n"
    "\n"
    "Shows what the sections of a read policy INI file will do, before they are rolled out:\n"
    "runs the plugin itself in virtual time, against the lookups, hosts and servers that the\n"
    "options describe. Every section meets the same lookups at the same moments.\n"
    "\n";

static const char replay_help[] =
    "usage: policy-sim replay --day FILE --replica trace:FILE [OPTION...] FILE\n"
    "\n"
    "Shows what the sections of a read policy INI file would have done on a day that was\n"
    "recorded: the lookups from an access log, the lag from policy-sim record. An access log\n"
    "tells which rows a replica missed, and the lag at that moment how old they can have been;\n"
    "rows that a replica had at once count as old. Where the times of both are Unix time they are\n"
    "laid over each other, and lookups outside the trace are left out; else both begin together.\n"
    "\n";

static const char advise_help[] =
    "usage: policy-sim advise --day FILE --replica trace:FILE [GOAL...] [OPTION...]\n"
    "\n"
    "Finds the section that would have met the goals on a day that was recorded (see policy-sim\n"
    "replay --help): runs some dozens of candidates through it, and prints the one that\n"
    "answers most lookups and, among those that answer as many, adds the least latency, beside "
    "the\n"
    "runner-up, and its lines for the INI file, where they go under your own section's name, with\n"
    "on_replica_failure as you had it. The goals are --max-primary-reads, --max-latency and\n"
    "--max-shed. Exit status 1 if none meets them all.\n"
    "\n";

void sim_options_help(enum sim_command of, FILE *out) {
    (void)fputs(of == COMMAND_REPLAY   ? replay_help
                : of == COMMAND_ADVISE ? advise_help
                                       : simulate_help,
                out);
    option_table_help(out, sim_rows, ROW_COUNT(sim_rows), (unsigned)of);
    (void)fputs(
        "\n"
        "TIME is a number with a unit: 250us, 0.5ms, 2s, 5m, 1h. SHARE is 0.25 or 25%.\n"
        "\n"
        "The added latency is a lookup's whole time less that of the read that gave its answer.\n"
        "`though it was there` counts rows that existed and were reported not found.\n"
        "\n"
        "Exit status: 0; 1 the file has errors, or something failed; 2 wrong usage, or the plugin\n"
        "cannot be used.\n",
        out);
}

/* ---- record ---------------------------------------------------------------------------------- */

static const struct option_row record_rows[] = {
    {"primary", "CONNINFO", OPTION_TEXT, 0, 0, RECORD_AT(primary), NULL, NULL,
     "The primary, as libpq takes it: \"host=db1 dbname=app user=monitor\".", 0},
    {"replica", "CONNINFO", OPTION_TEXT, 0, 0, RECORD_AT(replica), NULL, NULL,
     "One of its streaming standbys.", 0},
    {"seconds", "N", OPTION_COUNT, 1, 31 * 86400, RECORD_AT(seconds), "60", NULL,
     "How long to record.", 0},
    {"interval", "TIME", OPTION_DURATION, 0, 0, RECORD_AT(interval_ns), "10ms", NULL,
     "The time between two samples, and so about the precision of the lag. 0: as fast as the\n"
     "servers answer.",
     0},
    {"out", "FILE", OPTION_TEXT, 0, 0, RECORD_AT(out), NULL, NULL,
     "Where to write the trace. An existing file is replaced when the recording is whole.", 0},
    {"help", NULL, OPTION_FLAG, 0, 0, RECORD_AT(help), NULL, NULL, "This text.", 0},
    {"version", NULL, OPTION_FLAG, 0, 0, RECORD_AT(version), NULL, NULL, "The version.", 0},
};

bool record_options_parse(int argc, char **argv, struct record_options *options, char *err,
                          size_t err_length) {
    *options = (struct record_options){0};
    int first = option_table_parse(record_rows, ROW_COUNT(record_rows), 0, argc, argv, options, err,
                                   err_length);
    if (first < 0) {
        return false;
    }
    if (options->help || options->version) {
        return true;
    }
    const char *missing = options->primary == NULL   ? "--primary"
                          : options->replica == NULL ? "--replica"
                          : options->out == NULL     ? "--out"
                                                     : NULL;
    if (missing != NULL) {
        (void)snprintf(err, err_length, "%s is needed", missing);
        return false;
    }
    if (first != argc) {
        (void)snprintf(err, err_length, "unexpected argument %s", argv[first]);
        return false;
    }
    return true;
}

void record_options_help(FILE *out) {
    (void)fputs(
        "usage: policy-sim record --primary CONNINFO --replica CONNINFO --out FILE [OPTION...]\n"
        "\n"
        "Records how far a replica is behind its primary, as a trace for policy-sim --replica\n"
        "trace:FILE. Both are asked for their WAL position in turn; the lag is the time from when\n"
        "the primary was first seen at a position to when the replica was first seen to have\n"
        "replayed it. Any role may do this. Record while there is traffic: the trace begins with\n"
        "the first commit that the replica replays. What is recorded is in FILE.part until it is\n"
        "whole, line by line, so an interrupted recording is not lost, and none is overwritten.\n"
        "\n",
        out);
    option_table_help(out, record_rows, ROW_COUNT(record_rows), 0);
    (void)fputs(
        "\n"
        "Exit status: 0; 1 a server failed, or the file cannot be written; 2 wrong usage.\n",
        out);
}
