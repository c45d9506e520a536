/*
 * sql.c - see sql.h.
 */
#include "sql.h"

#include "host-sample/base/byte_buffer.h"
#include "marks.h"

#include <stdlib.h>
#include <string.h>

/* What makes way for the marks, in their order. */
struct inserts {
    const char *of[sizeof MARKS - 1];
};

static void append_end(struct byte_buffer *out) {
    byte_buffer_append(out, "", 1);
}

static void append_text(struct byte_buffer *out, const struct inserts *inserts, const char *text) {
    for (;;) {
        const size_t plain = strcspn(text, MARKS);
        byte_buffer_append(out, text, plain);
        text += plain;
        if (*text == '\0') {
            break;
        }
        byte_buffer_append_text(out, inserts->of[*text++ - MARK_SCHEMA[0]]);
    }
    append_end(out);
}

/* And what it is called. */
static void append_named(struct byte_buffer *out, const struct inserts *inserts, const char *what,
                         const char *text) {
    const size_t begin = out->length;
    append_text(out, inserts, text);
    if (!out->failed) {
        char name[PG_NAME_SIZE];
        pg_prepared_name(name, what, out->data + begin);
        byte_buffer_append(out, name, strlen(name) + 1);
    }
}

static void append_texts(struct byte_buffer *out, const struct inserts *inserts) {
    for (int links = 0; links < SNAPSHOT_LINKS_COUNT; links++) {
        for (int which = 0; which < SNAPSHOT_STATEMENT_COUNT; which++) {
            const struct pg_prepared *statement = &snapshot_texts[links][which];
            append_named(out, inserts, statement->name, statement->sql);
            append_named(out, inserts, statement->group_name, statement->group_sql);
        }
    }
    append_text(out, inserts, snapshot_links_text);
}

/* The text at *next, which goes on to the one behind it. */
static const char *take(const char **next) {
    const char *text = *next;
    *next = text + strlen(text) + 1;
    return text;
}

/* What append_texts has put there. */
static void take_texts(struct snapshot_sql *sql, const char **next) {
    for (int links = 0; links < SNAPSHOT_LINKS_COUNT; links++) {
        for (int which = 0; which < SNAPSHOT_STATEMENT_COUNT; which++) {
            struct pg_prepared *statement = &sql->statements[links][which];
            *statement = snapshot_texts[links][which];
            statement->sql = take(next);
            statement->name = take(next);
            statement->group_sql = take(next);
            statement->group_name = take(next);
        }
    }
    sql->links_sql = take(next);
}

static void append_no_links(struct byte_buffer *out, const char *schema) {
    if (schema[0] == '\0') {
        BYTE_BUFFER_LITERAL(out, "the database has neither a table \"_completedWaitpoints\" nor "
                                 "\"CompletedWaitpoint\" that the search_path leads to");
    } else {
        byte_buffer_append_format(out,
                                  "the database has no schema \"%s\", or neither a table "
                                  "\"_completedWaitpoints\" nor \"CompletedWaitpoint\" in it",
                                  schema);
    }
    append_end(out);
}

static void append_doubling(struct byte_buffer *out, const char *text, const char *doubled) {
    for (; *text != '\0'; text++) {
        byte_buffer_append(out, text, 1);
        if (strchr(doubled, *text) != NULL) {
            byte_buffer_append(out, text, 1);
        }
    }
}

/* The schema as an identifier, quoted, with its dot; and the same as it stands in a literal. */
static void append_names(struct byte_buffer *quoted, struct byte_buffer *in_literal,
                         const char *schema) {
    BYTE_BUFFER_LITERAL(quoted, "\"");
    append_doubling(quoted, schema, "\"");
    BYTE_BUFFER_LITERAL(quoted, "\".");
    append_end(quoted);
    if (!quoted->failed) {
        append_doubling(in_literal, quoted->data, "\\'");
    }
    append_end(in_literal);
}

/* False: out of memory. */
static bool write_all(struct byte_buffer *out, const char *schema) {
    static const struct inserts none = {{"", "", "", "", "", ""}};
    struct byte_buffer quoted = BYTE_BUFFER_EMPTY, in_literal = BYTE_BUFFER_EMPTY;
    append_names(&quoted, &in_literal, schema);
    const bool good = !quoted.failed && !in_literal.failed;
    if (good) {
        const struct inserts named = {
            {quoted.data, "pg_catalog.", "OPERATOR(pg_catalog.", ")", "E", in_literal.data}};
        append_texts(out, schema[0] != '\0' ? &named : &none);
        append_no_links(out, schema);
        byte_buffer_append(out, schema, strlen(schema) + 1);
    }
    byte_buffer_free(&quoted);
    byte_buffer_free(&in_literal);
    return good && !out->failed;
}

struct snapshot_sql *snapshot_sql_new(const char *schema) {
    struct snapshot_sql *sql = calloc(1, sizeof *sql);
    if (sql == NULL) {
        return NULL;
    }
    sql->holders = 1;
    if (!write_all(&sql->memory, schema)) {
        snapshot_sql_release(sql);
        return NULL;
    }
    const char *next = sql->memory.data;
    take_texts(sql, &next);
    sql->no_links = take(&next);
    sql->schema = take(&next);
    return sql;
}

struct snapshot_sql *snapshot_sql_hold(struct snapshot_sql *sql) {
    sql->holders++;
    return sql;
}

void snapshot_sql_release(struct snapshot_sql *sql) {
    if (sql != NULL && --sql->holders == 0) {
        byte_buffer_free(&sql->memory);
        free(sql);
    }
}
