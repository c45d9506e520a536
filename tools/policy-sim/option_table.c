/*
 * option_table.c - getopt_long, driven by the table.
 */
#include "option_table.h"

#include "tools/policy-sim/model/duration_model.h"
#include "tools/policy-sim/model/quantity.h"

#include <getopt.h>
#include <string.h>

/* Above '?' and ':', which getopt_long itself returns. */
#define FIRST_CODE 256

static bool refuse(const struct option_row *row, const char *text, const char *expected, char *err,
                   size_t err_length) {
    (void)snprintf(err, err_length, "--%s: \"%s\" is not accepted; expected %s", row->name, text,
                   expected);
    return false;
}

static bool take_count(const struct option_row *row, void *value, const char *text, char *err,
                       size_t err_length) {
    char expected[64];
    uint64_t count;
    if (quantity_count(text, row->min, row->max, &count)) {
        *(uint32_t *)value = (uint32_t)count;
        return true;
    }
    (void)snprintf(expected, sizeof expected, "a number from %u to %u", row->min, row->max);
    return refuse(row, text, expected, err, err_length);
}

static bool take_duration(const struct option_row *row, void *value, const char *text, char *err,
                          size_t err_length) {
    uint64_t ns;
    if (quantity_duration(text, &ns) && ns >= row->min) {
        *(uint64_t *)value = ns;
        return true;
    }
    return refuse(row, text,
                  row->min > 0 ? "a time above 0 and up to 744h, such as 250us, 0.5ms, 2s, 5m or 1h"
                               : "a time up to 744h, such as 250us, 0.5ms, 2s, 5m or 1h",
                  err, err_length);
}

static bool take(const struct option_row *row, void *out, const char *text, char *err,
                 size_t err_length) {
    void *value = (char *)out + row->offset;
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)value = true;
        return true;
    case OPTION_TEXT:
        *(const char **)value = text;
        return true;
    case OPTION_COUNT:
        return take_count(row, value, text, err, err_length);
    case OPTION_SHARE:
        return quantity_share(text, value) ||
               refuse(row, text, "a share such as 0.25 or 25%", err, err_length);
    case OPTION_RATE:
        return quantity_rate(text, value) ||
               refuse(row, text, "a number per second, from 0.001 to 10000000", err, err_length);
    case OPTION_DURATION:
        return take_duration(row, value, text, err, err_length);
    case OPTION_MODEL:
        return duration_model_parse(text, value) ||
               refuse(row, text,
                      "TIME, uniform:MIN,MAX or exponential:MEAN[,MIN], with times such as "
                      "250us, 0.5ms or 2s",
                      err, err_length);
    default:
        return row->take(out, text, err, err_length);
    }
}

static bool has(const struct option_row *row, unsigned command) {
    return row->only == 0 || (row->only & command) != 0;
}

static bool take_defaults(const struct option_row *rows, size_t count, unsigned command, void *out,
                          char *err, size_t err_length) {
    for (size_t i = 0; i < count; i++) {
        if (has(&rows[i], command) && rows[i].fallback != NULL && rows[i].kind != OPTION_OTHER &&
            !take(&rows[i], out, rows[i].fallback, err, err_length)) {
            return false;
        }
    }
    return true;
}

/* What getopt_long has just refused: of a word behind a single dash one letter, and it may not have
 * passed that word yet. */
static void refuse_unknown(const char *word, char *err, size_t err_length) {
    if (optopt > ' ' && optopt <= '~') {
        (void)snprintf(err, err_length, "-%c: no such option; all begin with two dashes", optopt);
    } else {
        (void)snprintf(err, err_length, "%s: no such option, or an option that takes no argument",
                       word);
    }
}

int option_table_parse(const struct option_row *rows, size_t count, unsigned command, int argc,
                       char **argv, void *out, char *err, size_t err_length) {
    struct option options[OPTION_TABLE_MAX_ROWS + 1] = {{0}};
    struct option *option = options;
    int code;
    for (size_t i = 0; i < count && i < OPTION_TABLE_MAX_ROWS; i++) {
        if (has(&rows[i], command)) {
            option->name = rows[i].name;
            option->has_arg = rows[i].argument != NULL ? required_argument : no_argument;
            option->val = FIRST_CODE + (int)i;
            option++;
        }
    }
    if (!take_defaults(rows, count, command, out, err, err_length)) {
        return -1;
    }
    /* getopt's own messages would not point to --help. */
    opterr = 0;
    optind = 1;
    while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (code == ':') {
            (void)snprintf(err, err_length, "%s needs an argument", argv[optind - 1]);
            return -1;
        }
        if (code < FIRST_CODE) {
            refuse_unknown(argv[optind - 1], err, err_length);
            return -1;
        }
        if (!take(&rows[code - FIRST_CODE], out, optarg, err, err_length)) {
            return -1;
        }
    }
    return optind;
}

void option_table_help(FILE *out, const struct option_row *rows, size_t count, unsigned command) {
    for (size_t i = 0; i < count; i++) {
        const struct option_row *row = &rows[i];
        if (!has(row, command)) {
            continue;
        }
        (void)fprintf(out, "  --%s%s%s", row->name, row->argument != NULL ? " " : "",
                      row->argument != NULL ? row->argument : "");
        if (row->fallback != NULL) {
            (void)fprintf(out, "  (default %s)", row->fallback);
        }
        for (const char *line = row->help; *line != '\0';) {
            size_t length = strcspn(line, "\n");
            (void)fprintf(out, "\n        %.*s", (int)length, line);
            line += length + (line[length] == '\n');
        }
        (void)fputc('\n', out);
    }
}
