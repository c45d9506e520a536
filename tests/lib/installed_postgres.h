/*
 * installed_postgres.h - which PostgreSQL the tests' servers are of, and that nothing in the
 * environment leads their clients elsewhere. cluster.py does the same for Python.
 */
#ifndef INSTALLED_POSTGRES_H
#define INSTALLED_POSTGRES_H

#include <stddef.h>

/* Writes the path of one of PostgreSQL's programs: of version $PG_MAJOR, else of the newest that is
 * installed. Ends the program with a message, which lists those that are, if that is not there. */
void installed_postgres_program(char *path, size_t size, const char *program);

/* Removes from the environment every variable that libpq or a server reads (PGHOST, PGSERVICE,
 * PGOPTIONS and so on). Before any thread and any connection. */
void installed_postgres_clear_environment(void);

#endif
