/*
 * scripted_read.c - words to reports, steps to words.
 */
#include "scripted_read.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BAD_SCRIPT 2

__attribute__((format(printf, 3, 4))) static void append(char *text, size_t capacity,
                                                         const char *format, ...) {
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(text + length, capacity - length, format, arguments);
    va_end(arguments);
    if (written < 0 || (size_t)written >= capacity - length) {
        errx(BAD_SCRIPT, "no room to write a script's result");
    }
}

static void append_step(struct script_result *result, const struct rp_step *step,
                        uint32_t replicas) {
    char *text = result->steps;
    const size_t capacity = sizeof result->steps;
    bool on_replica = step->kind == RP_STEP_AWAIT;
    append(text, capacity, "%s", text[0] == '\0' ? "" : " ");
    switch (step->kind) {
    case RP_STEP_READ:
        on_replica = step->target == RP_TARGET_REPLICA;
        append(text, capacity, "%s", on_replica ? "replica" : "primary");
        append(text, capacity, "%s", (step->flags & RP_STEP_WITH_POSITION) != 0 ? "@" : "");
        break;
    case RP_STEP_WAIT:
        append(text, capacity, "wait");
        break;
    case RP_STEP_LOCATE:
        append(text, capacity, "locate");
        break;
    case RP_STEP_AWAIT:
        append(text, capacity, "await@%llu", (unsigned long long)step->position);
        break;
    default:
        append(text, capacity, "kind %d", step->kind);
        break;
    }
    if (on_replica && replicas > 1) {
        append(text, capacity, ":%u", step->replica);
    }
}

static void append_end(struct script_result *result, const struct rp_step *done) {
    static const char *const verdicts[] = {"none", "found", "not_found", "failed", "shed"};
    static const char *const servers[] = {NULL, "replica", "replica_retry", "primary"};
    static const char *const levels[] = {"quiet", "warn", "error"};
    char *text = result->end;
    const size_t capacity = sizeof result->end;
    append(text, capacity, "%s", verdicts[done->verdict]);
    if (done->served_by != RP_SERVED_BY_NONE) {
        append(text, capacity, " by %s", servers[done->served_by]);
    }
    append(text, capacity, " %s", levels[done->log_level]);
    if (done->failed_during != NULL) {
        append(text, capacity, " during %s", done->failed_during);
    }
    if (done->message == NULL || done->message[0] == '\0') {
        append(text, capacity, " WITHOUT A MESSAGE");
    }
}

static void append_counters(struct script_result *result, const struct counters *before,
                            const struct counters *after) {
#define WORD(name, number, word, ...) [name] = word,
    static const char *const names[COUNT_COUNT] = {SECTION_COUNTERS(WORD)};
    for (uint32_t i = 0; i < COUNT_COUNT; i++) {
        for (uint64_t n = before->value[i]; n < after->value[i]; n++) {
            append(result->end, sizeof result->end, " counts %s", names[i]);
        }
    }
}

static int32_t outcome_named(const char *word, size_t length) {
    static const char *const names[] = {"found",  "partial", "missing", "failed",
                                        "waited", "located", "reached", "not_reached"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == length && memcmp(names[i], word, length) == 0) {
            return (int32_t)i;
        }
    }
    errx(BAD_SCRIPT, "no such report: %.*s", (int)length, word);
}

/* Takes one word off the script. False at its end. */
static bool take_word(const char **rest, const char **word, size_t *length) {
    *word = *rest + strspn(*rest, " ");
    *length = strcspn(*word, " ");
    *rest = *word + *length;
    return *length > 0;
}

static const struct rp_step *report_word(const struct rp_plugin *plugin, struct rp_read *read,
                                         const struct rp_step *step, const char *word,
                                         size_t length, uint64_t *now_ns) {
    const char *at = memchr(word, '@', length);
    struct rp_report report = {.struct_size = sizeof report};
    report.outcome = outcome_named(word, at == NULL ? length : (size_t)(at - word));
    if (at != NULL) {
        char *end;
        report.position = strtoull(at + 1, &end, 10);
        report.flushed = *end == '~' ? strtoull(end + 1, NULL, 10) : 0;
    }
    if ((report.outcome == RP_WAITED || report.outcome == RP_NOT_REACHED) &&
        step->until_ns > *now_ns) {
        *now_ns = step->until_ns;
    }
    report.now_ns = *now_ns;
    return plugin->next(read, &report);
}

void run_script(const struct opened_section *section, const struct scripted_read *script,
                struct script_result *result) {
    const struct rp_plugin *plugin = section->plugin.table;
    const struct counters before = counters_of(plugin, section->set, SECTION_NAME);
    const struct rp_request request = {.struct_size = sizeof request,
                                       .flags = script->flags,
                                       .replicas = script->replicas,
                                       .now_ns = SCRIPT_START_NS,
                                       .deadline_ns = script->deadline_ns,
                                       .entropy = script->entropy,
                                       .position = script->position};
    struct rp_read read = {.struct_size = sizeof read};
    *result = (struct script_result){.ended_ns = SCRIPT_START_NS};
    const struct rp_step *step = plugin->begin(section->policy, &request, &read);
    const char *rest = script->reports;
    const char *word;
    size_t length;
    while (take_word(&rest, &word, &length)) {
        if (step->kind == RP_STEP_DONE) {
            errx(BAD_SCRIPT, "done before the report %s", word);
        }
        if (word[0] == '+') {
            result->ended_ns += strtoull(word + 1, NULL, 10) * MS;
            continue;
        }
        append_step(result, step, script->replicas);
        step = report_word(plugin, &read, step, word, length, &result->ended_ns);
    }
    if (step->kind != RP_STEP_DONE) {
        append_step(result, step, script->replicas);
        append(result->end, sizeof result->end, "not done");
        return;
    }
    append_end(result, step);
    const struct counters after = counters_of(plugin, section->set, SECTION_NAME);
    append_counters(result, &before, &after);
}

struct rp_report discouraging_report(const struct rp_step *step, uint64_t now_ns) {
    struct rp_report report = {.struct_size = sizeof report, .now_ns = now_ns};
    switch (step->kind) {
    case RP_STEP_READ:
        report.outcome = RP_MISSING;
        break;
    case RP_STEP_WAIT:
        report.outcome = RP_WAITED;
        break;
    case RP_STEP_AWAIT:
        report.outcome = RP_NOT_REACHED;
        break;
    default:
        report.outcome = RP_FAILED;
        break;
    }
    return report;
}

bool reaches_primary(const struct opened_section *section, uint64_t now_ns) {
    const struct rp_plugin *plugin = section->plugin.table;
    const struct rp_request request = {
        .struct_size = sizeof request, .replicas = 1, .now_ns = now_ns, .deadline_ns = now_ns - 1};
    struct rp_read read = {.struct_size = sizeof read};
    const struct rp_step *step = plugin->begin(section->policy, &request, &read);
    while (step->kind != RP_STEP_DONE) {
        if (step->kind == RP_STEP_READ && step->target == RP_TARGET_PRIMARY) {
            return true;
        }
        struct rp_report report = discouraging_report(step, now_ns);
        step = plugin->next(&read, &report);
    }
    if (step->verdict != RP_VERDICT_SHED) {
        errx(BAD_SCRIPT, "neither served by the primary nor shed: %s", step->message);
    }
    return false;
}

uint32_t drain_budget(const struct opened_section *section, uint64_t now_ns) {
    uint32_t admitted = 0;
    while (reaches_primary(section, now_ns)) {
        admitted++;
    }
    return admitted;
}
