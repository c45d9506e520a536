/*
 * test_foreign_symbols.c - a host that has functions of its own under the names of inih's and
 * libbsd's, and exports them: the plugin never calls them.
 */
#include "tests/lib/plugin_fixture.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <stddef.h>
#include <string.h>

static unsigned calls;

/* The names are what counts, not what the functions would take. */
#define FOREIGN(name)                                                                              \
    long name(void);                                                                               \
    long name(void) {                                                                              \
        calls++;                                                                                   \
        return -1;                                                                                 \
    }

FOREIGN(ini_parse)
FOREIGN(ini_parse_file)
FOREIGN(ini_parse_stream)
FOREIGN(ini_parse_string)
FOREIGN(strtonum)
#undef strlcpy
#undef strlcat
__attribute__((used)) size_t strlcpy(char *to, const char *from, size_t size) {
    (void)to;
    (void)from;
    (void)size;
    calls++;
    return 0;
}
__attribute__((used)) size_t strlcat(char *to, const char *from, size_t size) {
    (void)to;
    (void)from;
    (void)size;
    calls++;
    return 0;
}

/* A number is read by strtonum; the name of a wrong key is told with the list of the right ones,
 * which is put together by strlcat. */
START_TEST(the_hosts_functions_are_not_called) {
    struct opened_plugin plugin;
    struct ini_memory_file file;
    char err[RP_ERROR_BYTES] = "";
    struct rp_set *set = NULL;

    plugin_open(&plugin);
    ini_file_create(&file, "[a]\npolicy = replica_then_primary\nreplica_retry_min_ms = 7\n");
    ck_assert_int_eq(plugin.table->open(file.path, ALL_CAPABILITIES, &set, err, sizeof err), RP_OK);
    char text[4096] = "";
    (void)plugin.table->describe(plugin.table->policy(set, "a"), text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "7"));
    ini_file_write(
        &file,
        "[a]\npolicy = replica_then_primary\nreplica_retry_min_ms = 7x\nreplica_retri = 1\n");
    ck_assert_int_ne(plugin.table->reload(set, err, sizeof err), RP_OK);
    ck_assert_ptr_nonnull(strstr(err, "replica_retry_min_ms"));
    ck_assert_uint_eq(calls, 0);
    plugin.table->close(set);
    ini_file_close(&file);
    plugin_close(&plugin);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("foreign_symbols");
    TCase *tests = tcase_create("foreign_symbols");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, the_hosts_functions_are_not_called);
    return suite_run(suite);
}
