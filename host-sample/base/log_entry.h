/*
 * log_entry.h - what a line of the log says, and of which kind it is.
 */
#ifndef LOG_ENTRY_H
#define LOG_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_BURST 100u
#define LOG_PER_S 10u

enum log_level { LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Lines that clients can cause, each kind with its own limit. */
enum log_kind {
    LOG_NOT_FOUND,
    LOG_FAILED,
    LOG_PRIMARY_SERVED,
    LOG_LINKS,       /* to servers, that come and go; there may be hundreds */
    LOG_SERVER,      /* what it is, and that it is out, or a split */
    LOG_CONNECTIONS, /* that cannot be taken */
    LOG_KINDS
};

struct log_field {
    const char *name;
    const char *value; /* NULL: the field is left out */
    bool is_number;    /* the value is a JSON number, written without quotes */
};

#define LOG_TEXT(name_, value_)   {.name = (name_), .value = (value_)}
#define LOG_NUMBER(name_, value_) {.name = (name_), .value = (value_), .is_number = true}
#define LOG_END                   {.name = NULL}

#endif
