/*
 * runs.c - see runs.h.
 */
#include "runs.h"

#include "loader/find_plugin.h"
#include "tools/policy-sim/engine/simulation.h"
#include "tools/policy-sim/model/quantity.h"
#include "tools/policy-sim/report/plot.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The plugin refuses files long before this. */
#define MAX_FILE_BYTES (16u << 20)

bool runs_load_plugin(struct runs *runs, const char *path) {
    char found[PATH_MAX];
    if (path == NULL) {
        find_plugin(found, sizeof found);
        path = found;
    }
    return plugin_load_with_cluster(&runs->plugin, path, runs->err, sizeof runs->err);
}

/* ---- policies -------------------------------------------------------------------------------- */

bool runs_read_file(struct runs *runs, const char *path) {
    FILE *file = fopen(path, "re");
    const char *wrong = NULL;
    size_t length = 0;
    if (file == NULL) {
        (void)snprintf(runs->err, sizeof runs->err, "%s: %s", path, strerror(errno));
        return false;
    }
    runs->text = malloc(MAX_FILE_BYTES);
    if (runs->text == NULL) {
        wrong = "out of memory";
    } else {
        length = fread(runs->text, 1, MAX_FILE_BYTES, file);
        wrong = ferror(file) != 0          ? strerror(errno)
                : length == MAX_FILE_BYTES ? "the file is too large"
                                           : NULL;
    }
    (void)fclose(file);
    if (wrong != NULL) {
        (void)snprintf(runs->err, sizeof runs->err, "%s: %s", path, wrong);
        return false;
    }
    runs->policies = (struct policy_text){path, runs->text, (uint32_t)length};
    return true;
}

static bool add_section(struct runs *runs, const char *name) {
    if (runs->section_count == OPTIONS_MAX_SECTIONS) {
        (void)snprintf(runs->err, sizeof runs->err,
                       "%s: more than %u sections: choose some with --section", runs->policies.name,
                       OPTIONS_MAX_SECTIONS);
        return false;
    }
    runs->sections[runs->section_count++].section = name;
    return true;
}

/* With those that there are, as far as there is room. */
static void say_there_is_none(struct runs *runs, const char *section) {
    const struct rp_plugin *table = runs->plugin.table;
    const char *name;
    size_t length = (size_t)snprintf(runs->err, sizeof runs->err, "%s: no section [%s]; there is",
                                     runs->policies.name, section);
    for (uint32_t i = 0; (name = table->section(runs->set, i)) != NULL; i++) {
        if (length < sizeof runs->err) {
            length += (size_t)snprintf(runs->err + length, sizeof runs->err - length, "%s [%s]",
                                       i > 0 ? "," : "", name);
        }
    }
}

/* The names live as long as the set. */
bool runs_choose(struct runs *runs, const char *const *names, uint32_t count) {
    const struct rp_plugin *table = runs->plugin.table;
    if (table->open_text(runs->policies.text, runs->policies.length, runs->policies.name,
                         RP_CAN_REPORT_POSITIONS | RP_CAN_AWAIT_POSITION, &runs->set, runs->err,
                         sizeof runs->err) != RP_OK) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (table->policy(runs->set, names[i]) == NULL) {
            say_there_is_none(runs, names[i]);
            return false;
        }
        if (!add_section(runs, names[i])) {
            return false;
        }
    }
    const char *name;
    for (uint32_t i = 0; count == 0 && (name = table->section(runs->set, i)) != NULL; i++) {
        if (!add_section(runs, name)) {
            return false;
        }
    }
    return true;
}

bool runs_simulate(struct runs *runs, const struct scenario *scenario) {
    for (size_t i = 0; i < runs->section_count; i++) {
        struct section_figures *section = &runs->sections[i];
        section->figures = simulate(runs->plugin.table, &runs->policies, section->section, scenario,
                                    runs->err, sizeof runs->err);
        if (section->figures == NULL) {
            return false;
        }
    }
    return true;
}

/* ---- report ---------------------------------------------------------------------------------- */

/* Whoever asked for an incident is told if the run has none. */
static void warn_of_none(const struct runs *runs, const struct scenario *scenario) {
    const struct figures *figures = runs->sections[0].figures;
    for (uint32_t i = 0; i < scenario->replica_count; i++) {
        const struct lag_model *model = &scenario->replicas[i];
        if (model->kind == LAG_BURSTS && figures->bursts[i] == 0) {
            (void)fprintf(stderr,
                          "policy-sim: warning: replica %u had no burst of lag in this run of "
                          "%" PRIu64 " s, where one in %" PRIu64 " s is to be expected: more "
                          "--lookups or another --seed shows one\n",
                          i + 1, figures->span_ns / NS_PER_S,
                          (model->mean_ns + model->length_ns) / NS_PER_S);
        }
        if (model->kind == LAG_TRACE && figures->span_ns < model->trace.span_ns) {
            (void)fprintf(stderr,
                          "policy-sim: warning: this run of %" PRIu64 " s ends before replica %u's "
                          "trace of %" PRIu64 " s does\n",
                          figures->span_ns / NS_PER_S, i + 1, model->trace.span_ns / NS_PER_S);
        }
    }
}

bool runs_report(struct runs *runs, const struct sim_options *options) {
    if (options->csv) {
        report_csv(stdout, runs->sections, runs->section_count);
    } else {
        report_table(stdout, runs->sections, runs->section_count);
    }
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        (void)snprintf(runs->err, sizeof runs->err, "cannot write to standard output");
        return false;
    }
    if (options->command == COMMAND_SIMULATE && runs->section_count > 0) {
        warn_of_none(runs, &options->scenario);
    }
    return options->plot == NULL || plot_png(options->plot, runs->sections, runs->section_count,
                                             runs->err, sizeof runs->err);
}

void runs_release(struct runs *runs) {
    for (size_t i = 0; i < runs->section_count; i++) {
        figures_free(runs->sections[i].figures);
    }
    if (runs->set != NULL) {
        runs->plugin.table->close(runs->set);
    }
    plugin_unload(&runs->plugin);
    free(runs->text);
}
