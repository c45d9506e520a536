/*
 * option_table.h - long options from one table that is parser, defaults and help text.
 */
#ifndef OPTION_TABLE_H
#define OPTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char *, into the arguments */
    OPTION_COUNT,    /* uint32_t within min and max */
    OPTION_SHARE,    /* uint32_t, see quantity_share */
    OPTION_RATE,     /* uint64_t, see quantity_rate */
    OPTION_DURATION, /* uint64_t, ns; not 0 if min is above 0 */
    OPTION_MODEL,    /* struct duration_model */
    OPTION_OTHER     /* parsed by `take` */
};

struct option_row {
    const char *name;
    const char *argument; /* what the help calls it; NULL: takes none */
    enum option_kind kind;
    uint32_t min, max;
    size_t offset;        /* of the value in what is filled */
    const char *fallback; /* the default as it would be given, or NULL for none */
    /* OPTION_OTHER: may be called several times; false with one line in err. */
    bool (*take)(void *out, const char *text, char *err, size_t err_length);
    const char *help; /* lines without indentation */
    unsigned only;    /* bits of the commands that have it; 0: all */
};

#define OPTION_TABLE_MAX_ROWS 64u

/* Fills `out`, which the caller has zeroed, by the rows that the command (a bit) has: the defaults
 * first, then what is given. Returns the index of the first argument that is no option, or -1 with
 * one line in err. */
int option_table_parse(const struct option_row *rows, size_t count, unsigned command, int argc,
                       char **argv, void *out, char *err, size_t err_length);

void option_table_help(FILE *out, const struct option_row *rows, size_t count, unsigned command);

#endif
