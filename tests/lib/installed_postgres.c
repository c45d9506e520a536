/*
 * installed_postgres.c - see installed_postgres.h.
 */
#include "installed_postgres.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char installed[] = "/usr/lib/postgresql";
enum { OLDEST_MAJOR = 13, MAX_MAJOR = 99 };

static bool is_installed(int major) {
    char path[64];
    snprintf(path, sizeof(path), "%s/%d/bin/postgres", installed, major);
    return access(path, X_OK) == 0;
}

static void __attribute__((noreturn)) give_up(const char *wanted) {
    char list[MAX_MAJOR * 4] = "none";
    size_t length = 0;
    for (int major = OLDEST_MAJOR; major <= MAX_MAJOR; major++) {
        if (is_installed(major)) {
            const char *between = length == 0 ? "" : ", ";
            length +=
                (size_t)snprintf(list + length, sizeof(list) - length, "%s%d", between, major);
        }
    }
    if (wanted != NULL) {
        fprintf(stderr, "PG_MAJOR=%s is not one of the PostgreSQL versions in %s: %s\n", wanted,
                installed, list);
    } else {
        fprintf(stderr, "no PostgreSQL >= %d in %s (make deps)\n", OLDEST_MAJOR, installed);
    }
    exit(EXIT_FAILURE);
}

static int chosen_major(void) {
    const char *wanted = getenv("PG_MAJOR");
    if (wanted != NULL && wanted[0] == '\0') {
        wanted = NULL;
    }
    for (int major = MAX_MAJOR; major >= OLDEST_MAJOR; major--) {
        char text[16];
        snprintf(text, sizeof(text), "%d", major);
        if ((wanted == NULL || strcmp(wanted, text) == 0) && is_installed(major)) {
            return major;
        }
    }
    give_up(wanted);
}

void installed_postgres_program(char *path, size_t size, const char *program) {
    snprintf(path, size, "%s/%d/bin/%s", installed, chosen_major(), program);
}

void installed_postgres_clear_environment(void) {
    for (size_t i = 0; environ[i] != NULL;) {
        char name[64];
        const size_t length = strcspn(environ[i], "=");
        if (strncmp(environ[i], "PG", 2) == 0 && length < sizeof(name)) {
            snprintf(name, sizeof(name), "%.*s", (int)length, environ[i]);
            if (strcmp(name, "PG_MAJOR") != 0 && unsetenv(name) == 0) {
                i = 0; /* the list has moved */
                continue;
            }
        }
        i++;
    }
}
