/*
 * say.c - see say.h.
 */
#include "say.h"

#include "config_notes.h"
#include "host-sample/operate/descriptors.h"

#include <stdio.h>
#include <string.h>

void say_lines(struct log *log, enum log_level level, const char *message, char *lines) {
    char *rest = lines;
    char *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (*line != '\0') {
            const struct log_field fields[] = {LOG_TEXT("error", line), LOG_END};
            log_write(log, level, message, fields);
        }
    }
}

void say_errors(const struct host *host, char *lines) {
    if (host->service.log == NULL) {
        (void)fprintf(stderr, "%s\n", lines);
    } else {
        say_lines(host->service.log, LOG_LEVEL_ERROR, "cannot start", lines);
    }
}

/* On standard output where the configuration is only checked, else in the log. */
static void say_note(const struct host *host, enum log_level level, const char *note) {
    if (host->service.log == NULL) {
        (void)printf("Note: %s.\n", note);
    } else {
        const struct log_field fields[] = {LOG_TEXT("note", note), LOG_END};
        log_write(host->service.log, level, "the configuration may not be what was meant", fields);
    }
}

/* One a line. */
static void say_each_note(const struct host *host, char *notes) {
    char *rest = notes;
    for (char *note; (note = strsep(&rest, "\n")) != NULL && *note != '\0';) {
        say_note(host, LOG_LEVEL_INFO, note);
    }
}

/* What the policy file sets without effect; cut if it is very long. */
static void say_policy_notes(const struct host *host) {
    const struct rp_plugin *plugin = host->service.plugin;
    char notes[RP_ERROR_BYTES] = "";
    if (RP_HAS(plugin, notes)) {
        (void)plugin->notes(host->set, notes, sizeof notes);
    }
    say_each_note(host, notes);
}

void say_notes(const struct host *host) {
    char text[RP_ERROR_BYTES];
    struct ini_errors notes;
    ini_errors_init(&notes, text, sizeof text);
    config_notes(host->config, &notes);
    say_each_note(host, text);
    if (!descriptors_suffice(host->config, text, sizeof text)) {
        say_note(host, LOG_LEVEL_WARN, text);
    }
    say_policy_notes(host);
}
