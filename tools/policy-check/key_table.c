/*
 * key_table.c - one loop over the plugin's keys, one printer for each form.
 *
 * Every word comes from the plugin: this is the table that its parser works from.
 */
#include "key_table.h"

#include <stdint.h>
#include <string.h>

/* Far more than any plugin has: a plugin whose keys never end is broken. */
#define MAX_KEYS 1024u

#define HELP_COLUMNS 76

static const char *type_name(const struct rp_key *key) {
    switch (key->type) {
    case RP_KEY_NUMBER:
        return "number";
    case RP_KEY_CHOICE:
        return "choice";
    default:
        return "text";
    }
}

static void print_choices(FILE *out, const char *const *choices, const char *separator) {
    for (size_t i = 0; choices[i] != NULL; i++) {
        (void)fprintf(out, "%s%s", i > 0 ? separator : "", choices[i]);
    }
}

/* "miss | always", "0 to 60000 ms", "at most 199 bytes"; the separator goes between choices. */
static void print_accepted(FILE *out, const struct rp_key *key, const char *separator) {
    switch (key->type) {
    case RP_KEY_NUMBER:
        (void)fprintf(out, "%u to %u%s%s", key->min, key->max, key->unit[0] != '\0' ? " " : "",
                      key->unit);
        break;
    case RP_KEY_CHOICE:
        print_choices(out, key->choices != NULL ? key->choices : key->few_choices, separator);
        break;
    default:
        if (key->min > 0) {
            (void)fprintf(out, "%u to ", key->min);
        } else {
            (void)fputs("at most ", out);
        }
        (void)fprintf(out, "%u bytes", key->max);
        break;
    }
}

/* What a key that is not set gets: before, the default, after; or one of the two words. */
static void print_default(FILE *out, const struct rp_key *key, const char *before,
                          const char *after) {
    if (key->default_value == NULL) {
        (void)fputs("required", out);
    } else if (key->default_value[0] == '\0') {
        (void)fputs("empty by default", out);
    } else {
        (void)fprintf(out, "%s%s%s", before, key->default_value, after);
    }
}

/* The length of the next line of a text that is broken at spaces; skips the spaces before it. 0 at
 * the end. */
static size_t next_line(const char **text) {
    *text += strspn(*text, " ");
    size_t length = strlen(*text);
    if (length <= HELP_COLUMNS) {
        return length;
    }
    for (length = HELP_COLUMNS; length > 0; length--) {
        if ((*text)[length] == ' ') {
            return length;
        }
    }
    return HELP_COLUMNS;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void print_text(FILE *out, const struct rp_key *key) {
    const char *text = key->help;
    size_t length;
    (void)fprintf(out, "%s\n    %s: ", key->name, type_name(key));
    print_accepted(out, key, " | ");
    (void)fputs("; ", out);
    print_default(out, key, "default ", "");
    while ((length = next_line(&text)) > 0) {
        (void)fprintf(out, "\n    %.*s", (int)length, text);
        text += length;
    }
    (void)fputc('\n', out);
}

/* ---- mdoc ------------------------------------------------------------------------------------ */

/* A line that mdoc prints literally: no escape in it, and no request at its start. */
static void print_mdoc_line(FILE *out, const char *text, size_t length) {
    if (length > 0 && (text[0] == '.' || text[0] == '\'')) {
        (void)fputs("\\&", out);
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\\') {
            (void)fputs("\\e", out);
        } else {
            (void)fputc(text[i], out);
        }
    }
    (void)fputc('\n', out);
}

/* Short lines, with a line break after each sentence, as mdoc wants it. */
static void print_mdoc_help(FILE *out, const char *text) {
    size_t length;
    while ((length = next_line(&text)) > 0) {
        const char *end = memmem(text, length, ". ", 2);
        length = end != NULL ? (size_t)(end + 1 - text) : length;
        print_mdoc_line(out, text, length);
        text += length;
    }
}

static void print_mdoc(FILE *out, const struct rp_key *key) {
    (void)fprintf(out, ".It Ic %s\n", key->name);
    print_mdoc_help(out, key->help);
    if (key->type == RP_KEY_CHOICE) {
        (void)fputs("One of\n.Cm ", out);
        print_accepted(out, key, " ,\n.Cm ");
        (void)fputs(" ;\n", out);
    } else {
        (void)fprintf(out, "A %s of ", type_name(key));
        print_accepted(out, key, "");
        (void)fputs(";\n", out);
    }
    print_default(out, key, "default\n.Cm ", " ");
    (void)fputs(".\n", out);
}

/* ---- markdown -------------------------------------------------------------------------------- */

/* A table cell must not contain the bar that would end it. */
static void print_markdown_text(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            (void)fputc('\\', out);
        }
        (void)fputc(*text, out);
    }
}

static void print_markdown(FILE *out, const struct rp_key *key) {
    const char *quote = key->type == RP_KEY_CHOICE ? "`" : "";
    (void)fprintf(out, "| `%s` | %s", key->name, quote);
    print_accepted(out, key, "`, `");
    (void)fprintf(out, "%s | ", quote);
    print_default(out, key, "`", "`");
    (void)fputs(" | ", out);
    print_markdown_text(out, key->help);
    (void)fputs(" |\n", out);
}

bool key_table_print(FILE *out, const struct rp_plugin *plugin, enum table_form form) {
    static void (*const printers[])(FILE *, const struct rp_key *) = {
        [TABLE_TEXT] = print_text,
        [TABLE_MDOC] = print_mdoc,
        [TABLE_MARKDOWN] = print_markdown,
    };
    int32_t status = RP_OK;
    table_begin(out, form, "| key | accepted | default | what it does |\n|---|---|---|---|\n");
    for (uint32_t i = 0; i < MAX_KEYS && status == RP_OK; i++) {
        struct rp_key key = {.struct_size = sizeof key};
        status = plugin->key(i, &key);
        if (status == RP_OK) {
            printers[form](out, &key);
        }
    }
    table_end(out, form);
    return status == RP_E_END;
}
