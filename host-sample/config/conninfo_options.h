/*
 * conninfo_options.h - looks into what libpq has taken a connection string apart into.
 */
#ifndef CONNINFO_OPTIONS_H
#define CONNINFO_OPTIONS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <string.h>

/* The value of that keyword; "" if the string does not give it. */
static inline const char *conninfo_value(const PQconninfoOption *options, const char *keyword) {
    for (; options->keyword != NULL; options++) {
        if (strcmp(options->keyword, keyword) == 0) {
            return options->val != NULL ? options->val : "";
        }
    }
    return "";
}

/* words: ended by NULL. */
static inline bool conninfo_is_one_of(const char *value, const char *const *words) {
    while (*words != NULL && strcmp(*words, value) != 0) {
        words++;
    }
    return *words != NULL;
}

#endif
