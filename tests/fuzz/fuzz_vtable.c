/*
 * fuzz_vtable.c - libFuzzer target: any bytes as a sequence of calls of the plugin's table, and
 * what must hold of each answer.
 *
 * A byte chooses the call, the bytes after it its arguments. INI files are whole lines that make
 * sense, whole lines that do not, and bytes as they come: so that the fuzzer need not find out the
 * names of policies.
 */
#undef NDEBUG /* the assertions are the test */
#include "input.h"
#include "plugin/read_policy.h"
#include "tests/lib/plugin_fixture.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READS       4
#define LARGEST_INI 16384
#define MAX_STEPS   36u
#define MAX_CALLS   400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const struct rp_plugin *read_policy_plugin_v1(void);

/* ---- INI files ---- */

static const char *const lines[] = {
    "[s]\n",
    "[t]\n",
    "[snapshots_since]\n",
    "policy = replica_then_primary\n",
    "policy = read_index\n",
    "policy = replica_backoff\n",
    "policy = primary_only\n",
    "policy = replica_only\n",
    "replica_retry_min_ms = 0\n",
    "replica_retry_max_ms = 0\n",
    "replica_retry_max_ms = 60000\n",
    "first_ms = 1\n",
    "max_wait_ms = 0\n",
    "max_wait_ms = 60000\n",
    "when = always\n",
    "replica_pick = next\n",
    "on_replica_failure = primary\n",
    "primary_budget_per_s = 1\n",
    "primary_budget_per_s = 1000000\n",
    "primary_budget_burst = 2\n",
    "metric_prefix = a.b\n",
    "; comment\n",
    "policy = nonsense\n",
    "first_ms = 0\n",
};
#define LINE_COUNT (sizeof lines / sizeof lines[0])

static void take_ini(struct input *input, char *text) {
    size_t length = 0;
    for (unsigned parts = take_byte(input) % 32; parts > 0; parts--) {
        const unsigned which = take_byte(input);
        const size_t room = LARGEST_INI - 1 - length;
        if (which < 224) {
            const char *line = lines[which % LINE_COUNT];
            const size_t taken = strlen(line) < room ? strlen(line) : room;
            memcpy(text + length, line, taken);
            length += taken;
        } else {
            for (unsigned bytes = which - 224; bytes > 0 && length < LARGEST_INI - 1; bytes--) {
                const uint8_t byte = take_byte(input);
                text[length++] = (char)(byte == 0 ? '\n' : byte);
            }
        }
    }
    text[length] = '\0';
}

/* ---- the calls ---- */

struct fuzzed_read {
    struct rp_read read;
    const struct rp_step *step; /* NULL: not begun */
    uint32_t replicas;
    uint32_t steps;
    uint32_t primary_reads;
    uint64_t deadline_ns;
    uint64_t now_ns; /* the latest that was reported */
};

struct session {
    const struct rp_plugin *plugin;
    struct ini_memory_file file;
    struct rp_set *set;
    struct fuzzed_read reads[READS];
    struct counters last; /* of the first section */
};

static void check_error(int32_t status, const char *error, uint32_t capacity) {
    if (capacity > 0) {
        assert(memchr(error, '\0', capacity) != NULL);
        assert((status == RP_OK) == (error[0] == '\0') || capacity == 1);
    }
}

static void check_done(const struct fuzzed_read *read) {
    const struct rp_step *step = read->step;
    assert(step->message != NULL && step->message[0] != '\0');
    assert(step->verdict >= RP_VERDICT_FOUND && step->verdict <= RP_VERDICT_SHED);
    const bool served = step->verdict == RP_VERDICT_FOUND || step->verdict == RP_VERDICT_NOT_FOUND;
    assert(served == (step->served_by != RP_SERVED_BY_NONE));
    assert((step->verdict == RP_VERDICT_FOUND) == (step->log_level != RP_LOG_ERROR));
    assert(step->log_level != RP_LOG_WARN || step->served_by == RP_SERVED_BY_PRIMARY);
    assert((step->verdict == RP_VERDICT_SHED) ==
           (step->failed_during != NULL && strcmp(step->failed_during, "primary_budget") == 0));
}

static void check_step(struct fuzzed_read *read) {
    const struct rp_step *step = read->step;
    assert(step != NULL && step->struct_size == sizeof *step);
    assert(step->kind >= RP_STEP_READ && step->kind <= RP_STEP_DONE);
    if (step->kind == RP_STEP_DONE) {
        check_done(read);
        return;
    }
    read->steps++;
    assert(read->steps <= MAX_STEPS);
    assert(read->primary_reads == 0);
    read->primary_reads += step->kind == RP_STEP_READ && step->target == RP_TARGET_PRIMARY;
    const bool on_replica = step->kind == RP_STEP_AWAIT ||
                            (step->kind == RP_STEP_READ && step->target == RP_TARGET_REPLICA);
    assert(!on_replica || step->replica < read->replicas);
    assert(step->kind != RP_STEP_AWAIT || step->position != 0);
    if (step->kind == RP_STEP_WAIT || step->kind == RP_STEP_AWAIT) {
        assert(step->until_ns >= read->now_ns);
        assert(read->deadline_ns == 0 || step->until_ns <= read->deadline_ns);
    }
}

static void call_begin(struct session *session, struct input *input) {
    struct fuzzed_read *read = &session->reads[take_byte(input) % READS];
    const char *section = session->plugin->section(session->set, take_byte(input) % 3);
    if (section == NULL) {
        section = session->plugin->section(session->set, 0);
    }
    struct rp_request request = {.struct_size = sizeof request,
                                 .flags =
                                     take_byte(input) % 8 == 0 ? (uint32_t)take_number(input) : 0,
                                 .replicas = (uint32_t)take_number(input),
                                 .now_ns = take_number(input),
                                 .entropy = take_number(input),
                                 .position = take_number(input)};
    if (take_byte(input) % 2 != 0) {
        request.deadline_ns = request.now_ns + take_number(input);
    }
    memset(read, take_byte(input), sizeof *read);
    *read = (struct fuzzed_read){.read = read->read,
                                 .replicas = request.replicas,
                                 .now_ns = request.now_ns,
                                 .deadline_ns = request.deadline_ns};
    read->read.struct_size = sizeof read->read;
    const struct rp_policy *policy = session->plugin->policy(session->set, section);
    assert(policy != NULL);
    read->step = session->plugin->begin(policy, &request, &read->read);
    check_step(read);
    /* Only where no replica can be had, or none at the caller's floor, may it end before it began.
     */
    assert(read->step->kind != RP_STEP_DONE || (request.flags & RP_REPLICAS_OUT) != 0 ||
           request.position != 0);
}

/* Outcomes that the step can have, more often than not. */
static int32_t take_outcome(struct input *input, const struct rp_step *step) {
    static const int32_t proper[][4] = {
        [RP_STEP_READ] = {RP_FOUND, RP_PARTIAL, RP_MISSING, RP_FAILED},
        [RP_STEP_WAIT] = {RP_WAITED, RP_WAITED, RP_WAITED, RP_WAITED},
        [RP_STEP_LOCATE] = {RP_LOCATED, RP_LOCATED, RP_LOCATED, RP_FAILED},
        [RP_STEP_AWAIT] = {RP_REACHED, RP_REACHED, RP_NOT_REACHED, RP_FAILED},
        [RP_STEP_DONE] = {RP_FOUND, RP_MISSING, RP_WAITED, RP_LOCATED},
    };
    const uint8_t byte = take_byte(input);
    return byte < 240 ? proper[step->kind][byte % 4] : (int32_t)take_number(input);
}

static void call_next(struct session *session, struct input *input) {
    struct fuzzed_read *read = &session->reads[take_byte(input) % READS];
    if (read->step == NULL) {
        return;
    }
    const struct rp_step before = *read->step;
    const struct rp_step *at = read->step;
    const uint64_t passed = take_number(input);
    struct rp_report report = {.struct_size = sizeof report,
                               .outcome = take_outcome(input, read->step),
                               .now_ns = take_byte(input) % 4 == 0 ? passed : read->now_ns + passed,
                               .position = take_number(input)};
    if (report.now_ns > read->now_ns) {
        read->now_ns = report.now_ns;
    }
    const uint8_t oddity = take_byte(input);
    if (oddity == 255) {
        report.struct_size = (uint32_t)take_number(input) % (2 * sizeof report);
    }
    read->step = session->plugin->next(&read->read, oddity == 254 ? NULL : &report);
    if (before.kind == RP_STEP_DONE) {
        assert(read->step == at && memcmp(at, &before, sizeof before) == 0);
        return;
    }
    check_step(read);
    if (oddity == 254 || report.struct_size < offsetof(struct rp_report, flushed)) {
        assert(read->step->kind == RP_STEP_DONE && read->step->verdict == RP_VERDICT_FAILED);
    }
}

static void call_reload(struct session *session, struct input *input) {
    char text[LARGEST_INI];
    char error[RP_ERROR_BYTES];
    char before[4096];
    char after[4096];
    const uint32_t capacity = take_byte(input) * 32u;
    const struct rp_policy *first =
        session->plugin->policy(session->set, session->plugin->section(session->set, 0));
    (void)session->plugin->describe(first, before, sizeof before);
    take_ini(input, text);
    ini_file_write(&session->file, text);
    const int32_t status = session->plugin->reload(session->set, error, capacity);
    assert(status >= RP_OK && status <= RP_E_LIMIT && status != RP_E_ARGUMENT);
    check_error(status, error, capacity);
    (void)session->plugin->describe(first, after, sizeof after);
    assert(status == RP_OK || strcmp(before, after) == 0);
}

static void call_metrics(struct session *session, struct input *input) {
    struct rp_metric metric = {.struct_size = sizeof metric};
    uint32_t count = 0;
    while (session->plugin->metrics(session->set, count, &metric) == RP_OK) {
        assert(metric.name != NULL && metric.help != NULL && metric.section != NULL);
        assert((metric.attribute == NULL) == (metric.attribute_value == NULL));
        assert(count >= COUNT_COUNT || metric.value >= session->last.value[count]);
        if (count < COUNT_COUNT) {
            session->last.value[count] = metric.value;
        }
        count++;
    }
    assert(count >= COUNT_COUNT && count % COUNT_COUNT == 0);
    metric.struct_size = (uint32_t)take_number(input);
    const int32_t status =
        session->plugin->metrics(session->set, (uint32_t)take_number(input), &metric);
    assert(metric.struct_size >= sizeof metric || status == RP_E_ARGUMENT);
}

static void call_texts(struct session *session, struct input *input) {
    const uint32_t capacity = (uint32_t)take_number(input) % 65536;
    char *text = malloc(capacity > 0 ? capacity : 1);
    const char *section = session->plugin->section(session->set, take_byte(input) % 3);
    const struct rp_policy *policy = session->plugin->policy(session->set, section);
    assert(text != NULL && (section == NULL) == (policy == NULL));
    uint32_t length = session->plugin->describe(policy, text, capacity);
    assert((length > 0) == (policy != NULL));
    assert(policy == NULL || capacity == 0 || strlen(text) < capacity);
    length = session->plugin->diagram(policy, text, capacity);
    assert((length > 0) == (policy != NULL));
    assert(policy == NULL || capacity == 0 || strlen(text) < capacity);
    free(text);
}

static bool open_session(struct session *session, struct input *input) {
    char text[LARGEST_INI];
    char error[RP_ERROR_BYTES];
    const uint32_t capabilities = take_byte(input);
    take_ini(input, text);
    ini_file_create(&session->file, text);
    const int32_t status =
        session->plugin->open(session->file.path, capabilities, &session->set, error, sizeof error);
    check_error(status, error, sizeof error);
    assert((status == RP_OK) == (session->set != NULL));
    assert(status == RP_OK || status == RP_E_CONFIG || status == RP_E_CAPABILITY);
    return status == RP_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const calls[])(struct session *, struct input *) = {
        call_begin, call_next,   call_next,    call_next,
        call_next,  call_reload, call_metrics, call_texts,
    };
    struct input input = {data, size};
    struct session session = {.plugin = read_policy_plugin_v1()};
    if (open_session(&session, &input)) {
        for (int i = 0; i < MAX_CALLS && input.left > 0; i++) {
            calls[take_byte(&input) % (sizeof calls / sizeof calls[0])](&session, &input);
        }
    }
    session.plugin->close(session.set);
    ini_file_close(&session.file);
    return 0;
}
