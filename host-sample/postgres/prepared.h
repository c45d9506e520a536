/*
 * prepared.h - a prepared statement as its users and its server know it.
 */
#ifndef PG_PREPARED_H
#define PG_PREPARED_H

enum {
    PG_PREPARED_MAX = 64,  /* of a server: a link's set-up must fit its pipeline */
    PG_PARAMETERS_MAX = 8, /* of a statement */
    PG_NAME_SIZE = 64,     /* with its NUL: of a longer one a server takes no more than that */
    PG_WHAT_MAX = PG_NAME_SIZE - 1 - 17
};

struct pg_prepared {
    const char *name;
    const char *sql;     /* parameters are text; results are asked for in binary */
    int parameter_count; /* at most PG_PARAMETERS_MAX */
    /* The form for several reads at once, see group.h. NULL: there is none. */
    const char *group_name;
    const char *group_sql;
};

/* What to call a statement: what it is, of which PG_WHAT_MAX characters count, and a digest of its
 * text. A connection that a pooler lends may hold what another client has prepared, with another
 * schema or of another release: under one name there must never be two texts, or its rows are taken
 * for those that were asked for. */
void pg_prepared_name(char name[PG_NAME_SIZE], const char *what, const char *sql);

#endif
