/*
 * kind_table.c - one loop over the plugin's policies, one printer for each form.
 */
#include "kind_table.h"

/* Far more than any plugin has: a plugin whose policies never end is broken. */
#define MAX_KINDS 1024u

/* What a form puts around a key, between two, and around the list. */
struct marks {
    const char *before;
    const char *after;
    const char *between;
};

static void print_keys(FILE *out, const struct rp_kind *kind, struct marks marks) {
    for (uint32_t i = 0; kind->keys[i] != NULL; i++) {
        (void)fprintf(out, "%s%s%s%s", i > 0 ? marks.between : "", marks.before, kind->keys[i],
                      marks.after);
    }
}

static const char *primary_words(const struct rp_kind *kind) {
    return (kind->flags & RP_KIND_PRIMARY_FIRST) != 0 ? "reads the primary first"
                                                      : "reads a replica first";
}

static const char *needs_words(const struct rp_kind *kind) {
    return kind->needs != 0 ? "; the host must be able to tell positions" : "";
}

static const char *plural(const struct rp_kind *kind) {
    return kind->most_steps == 1 ? "" : "s";
}

static void print_text(FILE *out, const struct rp_kind *kind) {
    (void)fprintf(out, "%s\n    %s\n    at most %u step%s; %s%s\n    keys: ", kind->name,
                  kind->summary, kind->most_steps, plural(kind), primary_words(kind),
                  needs_words(kind));
    print_keys(out, kind, (struct marks){"", "", ", "});
    (void)fputc('\n', out);
}

static void print_mdoc(FILE *out, const struct rp_kind *kind) {
    (void)fprintf(out, ".It Cm %s\n%s\nAt most %u step%s; %s%s.\nKeys:\n.Ic ", kind->name,
                  kind->summary, kind->most_steps, plural(kind), primary_words(kind),
                  needs_words(kind));
    print_keys(out, kind, (struct marks){"", "", " ,\n.Ic "});
    (void)fputs(" .\n", out);
}

static void print_markdown(FILE *out, const struct rp_kind *kind) {
    (void)fprintf(out, "| `%s` | %s | %u | %s%s | ", kind->name, kind->summary, kind->most_steps,
                  primary_words(kind), needs_words(kind));
    print_keys(out, kind, (struct marks){"`", "`", ", "});
    (void)fputs(" |\n", out);
}

bool kind_table_print(FILE *out, const struct rp_plugin *plugin, enum table_form form) {
    static void (*const printers[])(FILE *, const struct rp_kind *) = {
        [TABLE_TEXT] = print_text,
        [TABLE_MDOC] = print_mdoc,
        [TABLE_MARKDOWN] = print_markdown,
    };
    int32_t status = RP_OK;
    table_begin(out, form,
                "| policy | what it does | most steps | reads | keys |\n|---|---|---|---|---|\n");
    for (uint32_t i = 0; i < MAX_KINDS && status == RP_OK; i++) {
        struct rp_kind kind = {.struct_size = sizeof kind};
        status = plugin->kind(i, &kind);
        if (status == RP_OK) {
            printers[form](out, &kind);
        }
    }
    table_end(out, form);
    return status == RP_E_END;
}
