/*
 * prepared.h - a prepared statement as its users and its server know it.
 */
#ifndef PG_PREPARED_H
#define PG_PREPARED_H

enum {
    PG_PREPARED_MAX = 64, /* of a server: a link's set-up must fit its pipeline */
    PG_PARAMETERS_MAX = 8 /* of a statement */
};

struct pg_prepared {
    const char *name;
    const char *sql;     /* parameters are text; results are asked for in binary */
    int parameter_count; /* at most PG_PARAMETERS_MAX */
    /* The form for several reads at once, see group.h. NULL: there is none. */
    const char *group_name;
    const char *group_sql;
};

#endif
