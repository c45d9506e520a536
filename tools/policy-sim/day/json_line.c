/*
 * json_line.c - see json_line.h.
 */
#include "json_line.h"

#include <string.h>

static const char *skip_blanks(const char *at) {
    return at + strspn(at, " \t\r\n");
}

/* Where the token at `at` ends; NULL: it is none. A string's quotes are left out of [begin, end).
 */
static const char *token(const char *at, const char **begin, const char **end) {
    if (*at != '"') {
        *begin = at;
        *end = at + strcspn(at, ",}\" \t\r\n{[]");
        return *end > at ? *end : NULL;
    }
    *begin = ++at;
    while (*at != '"') {
        if (*at == '\\' && at[1] != '\0') {
            at++;
        }
        if (*at++ == '\0') {
            return NULL;
        }
    }
    *end = at;
    return at + 1;
}

static void keep(struct json_field *fields, size_t count, const char *name, size_t name_length,
                 const char *value, size_t length) {
    for (size_t i = 0; i < count; i++) {
        struct json_field *field = &fields[i];
        if (strlen(field->name) == name_length && memcmp(field->name, name, name_length) == 0) {
            length = length < sizeof field->value ? length : sizeof field->value - 1;
            memcpy(field->value, value, length);
            field->value[length] = '\0';
        }
    }
}

bool json_line_read(const char *line, struct json_field *fields, size_t count) {
    const char *at = strchr(line, '{');
    for (size_t i = 0; i < count; i++) {
        fields[i].value[0] = '\0';
    }
    if (at == NULL) {
        return false;
    }
    at = skip_blanks(at + 1);
    while (*at != '}') {
        const char *name, *name_end, *value, *value_end;
        at = *at == '"' ? token(at, &name, &name_end) : NULL;
        if (at == NULL) {
            return false;
        }
        at = skip_blanks(at);
        if (*at != ':') {
            return false;
        }
        at = token(skip_blanks(at + 1), &value, &value_end);
        if (at == NULL) {
            return false;
        }
        keep(fields, count, name, (size_t)(name_end - name), value, (size_t)(value_end - value));
        at = skip_blanks(at);
        if (*at == ',') {
            at = skip_blanks(at + 1);
        } else if (*at != '}') {
            return false;
        }
    }
    return true;
}
