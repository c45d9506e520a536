/*
 * exposition.c - see exposition.h.
 */
#include "exposition.h"

void put_header(struct byte_buffer *out, const char *name, const char *type, const char *help) {
    byte_buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Label values escape backslash, quote and line feed. */
void put_label(struct byte_buffer *out, const char *separator, const char *name,
               const char *value) {
    byte_buffer_append_format(out, "%s%s=\"", separator, name);
    for (; *value != '\0'; value++) {
        if (*value == '\n') {
            BYTE_BUFFER_LITERAL(out, "\\n");
        } else {
            if (*value == '"' || *value == '\\') {
                BYTE_BUFFER_LITERAL(out, "\\");
            }
            byte_buffer_append(out, value, 1);
        }
    }
    BYTE_BUFFER_LITERAL(out, "\"");
}

/* One series with one label. */
void put_labelled(struct byte_buffer *out, const char *name, const char *label,
                  const char *label_value, uint64_t value) {
    byte_buffer_append_text(out, name);
    put_label(out, "{", label, label_value);
    byte_buffer_append_format(out, "} %llu\n", (unsigned long long)value);
}

void put_single(struct byte_buffer *out, const char *name, const char *type, const char *help,
                uint64_t value) {
    put_header(out, name, type, help);
    byte_buffer_append_format(out, "%s %llu\n", name, (unsigned long long)value);
}
