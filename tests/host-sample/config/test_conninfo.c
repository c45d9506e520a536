/*
 * test_conninfo.c - connection strings that are given a folder for their files, or an address: what
 * libpq then reads in them is what it read before, but for that.
 */
#include "host-sample/config/conninfo.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 256 };

/* "keyword=value;" of each that is given, but for one. */
static void read_back(const char *conninfo, const char *except, char text[MAX_TEXT]) {
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    size_t length = 0;
    ck_assert_ptr_nonnull(options);
    text[0] = '\0';
    for (const PQconninfoOption *option = options; option->keyword != NULL; option++) {
        if (option->val != NULL && strcmp(option->keyword, except) != 0) {
            length += (size_t)snprintf(text + length, MAX_TEXT - length, "%s=%s;", option->keyword,
                                       option->val);
            ck_assert_uint_lt(length, MAX_TEXT);
        }
    }
    PQconninfoFree(options);
}

/* With a file each, where it is by itself when the folder is "/etc/it's". */
static const struct {
    const char *conninfo, *keyword, *file;
} strings[] = {
    {"host=db passfile=pw", "passfile", "/etc/it's/pw"},
    {"passfile=pw host=db password=abc\\", "passfile", "/etc/it's/pw"},
    {"host=db passfile='it''s'", "passfile", NULL}, /* two values, of which libpq refuses one */
    {"host=db password='a b\\'\\\\' passfile='p w\\''", "passfile", "/etc/it's/p w'"},
    {"host=db sslcert=a.crt", "sslcert", "/etc/it's/a.crt"},
    {"host=db sslkey=../a.key", "sslkey", "/etc/it's/../a.key"},
    {"host=db sslkey=pkcs11:a", "sslkey", "pkcs11:a"},
    {"host=db sslrootcert=system", "sslrootcert", "system"},
    {"host=db sslrootcert=ca", "sslrootcert", "/etc/it's/ca"},
    {"host=db sslcrl=/crl", "sslcrl", "/crl"},
    {"host=db sslcrldir=crls", "sslcrldir", "/etc/it's/crls"},
    {"postgresql://u@db/a?passfile=pw", "passfile", "/etc/it's/pw"},
    {"postgresql://u@db/a?passfile=pw&", "passfile", "/etc/it's/pw"},
    {"postgres://u:p%40?w@db:1/a?passfile=p%2Fw&sslmode=require", "passfile", "/etc/it's/p/w"},
    {"postgres://u:p%40%3Fw@db:1/a?passfile=p%2Fw&sslmode=require", "passfile", "/etc/it's/p/w"},
};

START_TEST(files_begin_in_the_folder) {
    char conninfo[MAX_TEXT], before[MAX_TEXT], after[MAX_TEXT], file[MAX_TEXT];
    if (strings[_i].file == NULL) {
        ck_assert_ptr_null(PQconninfoParse(strings[_i].conninfo, NULL));
        return;
    }
    strcpy(conninfo, strings[_i].conninfo);
    read_back(conninfo, strings[_i].keyword, before);
    ck_assert(conninfo_resolve_files(conninfo, sizeof conninfo, "/etc/it's"));
    read_back(conninfo, strings[_i].keyword, after);
    ck_assert_str_eq(after, before);
    read_back(conninfo, "", after);
    snprintf(file, sizeof file, "%s=%s;", strings[_i].keyword, strings[_i].file);
    ck_assert_ptr_nonnull(strstr(after, file));
}
END_TEST

START_TEST(a_string_without_such_files_stays_as_it_is) {
    static const char *const others[] = {"host=db passfile=/pw", "postgres://db/?sslmode=require&",
                                         "service=runs"};
    char conninfo[MAX_TEXT];
    strcpy(conninfo, others[_i]);
    ck_assert(conninfo_resolve_files(conninfo, sizeof conninfo, "/etc"));
    ck_assert_str_eq(conninfo, others[_i]);
}
END_TEST

START_TEST(what_does_not_fit_stays_as_it_is) {
    char conninfo[64] = "host=db passfile=pw";
    const size_t needed = strlen("host='db' passfile='/etc/pw'") + 1;
    char short_of_one[64] = "host=db passfile=pw";
    ck_assert(!conninfo_resolve_files(short_of_one, needed - 1, "/etc"));
    ck_assert_str_eq(short_of_one, "host=db passfile=pw");
    ck_assert(conninfo_resolve_files(conninfo, needed, "/etc"));
    char at[64];
    ck_assert(!conninfo_at_address(at, 20, "host=db", "127.0.0.1"));
}
END_TEST

START_TEST(an_address_for_a_host) {
    static const char *const given[] = {"host=db password=abc\\", "postgresql://u:p?w@db/a",
                                        "postgresql://db/a?", "postgres://db?sslmode=require&"};
    char at[MAX_TEXT], before[MAX_TEXT], after[MAX_TEXT];
    PQconninfoOption *options = PQconninfoParse(given[_i], NULL);
    if (options == NULL) {
        ck_assert(!conninfo_at_address(at, sizeof at, given[_i], "::1"));
        return;
    }
    PQconninfoFree(options);
    read_back(given[_i], "", before);
    ck_assert(conninfo_at_address(at, sizeof at, given[_i], "::1"));
    read_back(at, "hostaddr", after);
    ck_assert_str_eq(after, before);
    read_back(at, "", after);
    ck_assert_ptr_nonnull(strstr(after, "hostaddr=::1;"));
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_told) {
    char why[MAX_TEXT];
    ck_assert(
        conninfo_lacks_file("host=db password=hunter2 passfile=/nonexistent/pw", why, sizeof why));
    ck_assert_str_eq(why, "passfile: cannot read \"/nonexistent/pw\": No such file or directory");
    ck_assert(
        !conninfo_lacks_file("host=db sslrootcert=system passfile=/dev/null", why, sizeof why));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("conninfo");
    TCase *tests = suite_case(suite, "strings", NULL, NULL, 0);
    tcase_add_loop_test(tests, files_begin_in_the_folder, 0,
                        (int)(sizeof strings / sizeof strings[0]));
    tcase_add_loop_test(tests, a_string_without_such_files_stays_as_it_is, 0, 3);
    tcase_add_test(tests, what_does_not_fit_stays_as_it_is);
    tcase_add_loop_test(tests, an_address_for_a_host, 0, 4);
    tcase_add_test(tests, a_file_that_cannot_be_read_is_told);
    return suite_run(suite);
}
