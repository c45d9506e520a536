/*
 * test_plugin_loader.c - the loader against odd plugins and files that are not plugins.
 *
 * A refusal names the file, and the symbol, what was expected and what was found. Nothing stays
 * loaded.
 */
#include "loader/plugin_loader.h"
#include "tests/lib/plugin_fixture.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char error[1024];
static struct loaded_plugin loaded;
static char directory[] = "/tmp/read-policy-loader-XXXXXX";
static char made[64]; /* a file in it; "": none */
static char path[4200];

static void set_up(void) {
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    memset(&loaded, 0xa5, sizeof loaded);
    error[0] = '\0';
}

static void tear_down(void) {
    if (made[0] != '\0') {
        (void)unlink(made);
    }
    (void)rmdir(directory);
}

/* build/tests/loader/odd/NAME.so, beside this program. */
static void odd_path(const char *name) {
    char self[4096];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    ck_assert_int_gt(length, 0);
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    (void)snprintf(path, sizeof path, "%s/odd/%s.so", self, name);
}

static void temporary_path(const char *name) {
    (void)snprintf(made, sizeof made, "%s/%s", directory, name);
    (void)snprintf(path, sizeof path, "%s", made);
}

static void assert_said(const char *words) {
    ck_assert_msg(strstr(error, words) != NULL, "\"%s\" is not in: %s", words, error);
}

static void assert_refused(const char *one, const char *other) {
    ck_assert(!plugin_load(&loaded, path, error, sizeof error));
    ck_assert_ptr_null(loaded.handle);
    ck_assert_ptr_null(loaded.table);
    assert_said(strrchr(path, '/') + 1);
    assert_said("expected");
    assert_said(one);
    assert_said(other);
    plugin_unload(&loaded);
}

/* ---- plugins ---- */

START_TEST(the_real_plugin_is_taken) {
    struct opened_plugin opened;
    plugin_open(&opened);
    ck_assert_msg(plugin_load(&loaded, opened.path, error, sizeof error), "%s", error);
    ck_assert_ptr_eq(loaded.table, opened.table);
    plugin_unload(&loaded);
    ck_assert_ptr_null(loaded.handle);
    plugin_unload(&loaded);
    plugin_close(&opened);
}
END_TEST

static const struct {
    const char *name;
    uint32_t abi_minor;
    bool has_section; /* a member that came after close */
} right[] = {{"oldest_table", 0, false}, {"newer_minor", 99, false}};

START_TEST(older_and_newer_tables_are_taken) {
    odd_path(right[_i].name);
    ck_assert_msg(plugin_load(&loaded, path, error, sizeof error), "%s", error);
    ck_assert_uint_eq(loaded.table->abi_minor, right[_i].abi_minor);
    ck_assert_int_eq(RP_HAS(loaded.table, section), right[_i].has_section);
    plugin_unload(&loaded);
}
END_TEST

START_TEST(a_table_without_a_cluster_is_refused_by_those_who_need_one) {
    odd_path("oldest_table");
    ck_assert(!plugin_load_with_cluster(&loaded, path, error, sizeof error));
    ck_assert_ptr_null(loaded.handle);
    ck_assert_ptr_null(loaded.table);
    assert_said("oldest_table.so: odd 1, of ABI 1.0, is too old: it has no cluster");
    struct opened_plugin opened;
    plugin_open(&opened);
    ck_assert_msg(plugin_load_with_cluster(&loaded, opened.path, error, sizeof error), "%s", error);
    plugin_unload(&loaded);
    plugin_close(&opened);
}
END_TEST

static const struct {
    const char *name, *expected, *found;
} odd[] = {
    {"null_table", "expected a table", RP_ENTRY_SYMBOL "() returned NULL"},
    {"wrong_magic", "expected 0x5264506c",
     RP_ENTRY_SYMBOL "() returned a table with magic 0x0badf00d"},
    {"wrong_major", "expected 1.x", RP_ENTRY_SYMBOL "() returned a table of ABI version 2.7"},
    {"short_table", "expected at least 96 (ABI 1.0)",
     RP_ENTRY_SYMBOL "() returned a table of 32 bytes"},
    {"no_symbol", "expected a plugin of ABI 1.x", "no symbol " RP_ENTRY_SYMBOL},
};

START_TEST(odd_plugins_are_refused) {
    odd_path(odd[_i].name);
    assert_refused(odd[_i].expected, odd[_i].found);
}
END_TEST

static const char *const members[] = {"name",  "version", "open",    "reload",   "policy",
                                      "begin", "next",    "metrics", "describe", "close"};

START_TEST(a_table_without_a_member_is_refused) {
    char name[64];
    char said[128];
    (void)snprintf(name, sizeof name, "missing_%s", members[_i]);
    (void)snprintf(said, sizeof said, "() returned a table whose member %s is NULL", members[_i]);
    odd_path(name);
    assert_refused(RP_ENTRY_SYMBOL, said);
}
END_TEST

/* Found now, not in the middle of the first read. */
START_TEST(a_symbol_that_nobody_has_is_noticed_at_once) {
    odd_path("unresolved");
    ck_assert(!plugin_load(&loaded, path, error, sizeof error));
    assert_said("symbol_that_nobody_has");
    assert_said("unresolved.so");
}
END_TEST

/* ---- no plugins ---- */

static void write_file(const char *bytes, size_t length) {
    const int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(descriptor, 0);
    ck_assert_int_eq(write(descriptor, bytes, length), (ssize_t)length);
    (void)close(descriptor);
}

static const struct {
    const char *bytes;
    size_t length;
} no_objects[] = {
    {"", 0},
    {"#!/bin/sh\n", 10},
    {"\x7f", 1},
    {"\x7f"
     "ELF",
     4},
    {"\x7f"
     "ELF\0\0\0\0\0\0\0\0",
     12},
};

START_TEST(a_file_that_is_no_shared_object) {
    temporary_path("text.so");
    write_file(no_objects[_i].bytes, no_objects[_i].length);
    ck_assert(!plugin_load(&loaded, path, error, sizeof error));
    assert_said("text.so");
    assert_said("file too short");
}
END_TEST

START_TEST(a_long_file_that_is_no_shared_object) {
    char text[5000];
    memset(text, 'x', sizeof text);
    temporary_path("text.so");
    write_file(text, sizeof text);
    ck_assert(!plugin_load(&loaded, path, error, sizeof error));
    assert_said("text.so");
    assert_said("invalid ELF header");
}
END_TEST

/* As it stands in the header of an object for 64-bit Arm, or for S/390 on Arm. */
START_TEST(an_object_for_another_machine) {
    struct opened_plugin opened;
    char head[64];
    plugin_open(&opened);
    const int descriptor = open(opened.path, O_RDONLY);
    ck_assert_int_eq(read(descriptor, head, sizeof head), (ssize_t)sizeof head);
    (void)close(descriptor);
    plugin_close(&opened);
    const uint16_t other = head[18] == (char)EM_AARCH64 ? EM_S390 : EM_AARCH64;
    memcpy(head + offsetof(Elf64_Ehdr, e_machine), &other, sizeof other);
    temporary_path("other.so");
    write_file(head, sizeof head);
    assert_refused("built for another machine", other == EM_S390 ? "machine 22)" : "machine 183)");
}
END_TEST

/* Every way to cut the real plugin short: it is refused, or what is missing was not needed. */
START_TEST(a_file_that_was_cut_off) {
    struct opened_plugin opened;
    plugin_open(&opened);
    struct stat status;
    ck_assert_int_eq(stat(opened.path, &status), 0);
    const size_t size = (size_t)status.st_size;
    char *bytes = malloc(size);
    ck_assert_ptr_nonnull(bytes);
    const int descriptor = open(opened.path, O_RDONLY);
    ck_assert_int_eq(read(descriptor, bytes, size), (ssize_t)size);
    (void)close(descriptor);
    plugin_close(&opened);
    temporary_path("cut.so");
    unsigned refused = 0;
    for (size_t length = 0; length < size; length += length < 1024 ? 61 : size / 97) {
        write_file(bytes, length);
        const bool taken = plugin_load(&loaded, path, error, sizeof error);
        refused += !taken;
        plugin_unload(&loaded);
    }
    free(bytes);
    ck_assert_uint_gt(refused, 20);
    assert_said("cut.so");
}
END_TEST

START_TEST(headers_that_lie) {
    struct opened_plugin opened;
    unsigned char bytes[4096] = {0};
    plugin_open(&opened);
    const int descriptor = open(opened.path, O_RDONLY);
    ck_assert_int_eq(read(descriptor, bytes, sizeof bytes), (ssize_t)sizeof bytes);
    (void)close(descriptor);
    plugin_close(&opened);
    temporary_path("lies.so");
    /* Where the program headers are, and how many. */
    for (int i = 0; i < 8; i++) {
        unsigned char lying[sizeof bytes];
        memcpy(lying, bytes, sizeof bytes);
        memset(lying + 32, i % 2 == 0 ? 0xff : 0x7f, (size_t)(i / 2 + 1));
        memset(lying + 56, 0xff, 2);
        write_file((const char *)lying, sizeof lying);
        ck_assert(!plugin_load(&loaded, path, error, sizeof error));
        assert_said("lies.so");
    }
}
END_TEST

START_TEST(a_directory) {
    (void)snprintf(path, sizeof path, "%s", directory);
    assert_refused("is a directory", "expected a shared object");
}
END_TEST

START_TEST(a_file_that_is_not_there) {
    temporary_path("nothing.so");
    assert_refused("No such file or directory", "expected a shared object");
}
END_TEST

START_TEST(a_fifo) {
    temporary_path("fifo.so");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    assert_refused("is not a regular file", "expected a shared object");
}
END_TEST

START_TEST(a_device) {
    (void)snprintf(path, sizeof path, "/dev/null");
    ck_assert(!plugin_load(&loaded, path, error, sizeof error));
    assert_said("/dev/null: is not a regular file");
}
END_TEST

START_TEST(names_are_not_searched_for) {
    ck_assert(!plugin_load(&loaded, "libc.so.6", error, sizeof error));
    assert_said("libc.so.6: No such file or directory");
    ck_assert(!plugin_load(&loaded, "", error, sizeof error));
    assert_said("expected a shared object");
}
END_TEST

START_TEST(an_error_is_cut_to_its_buffer) {
    odd_path("wrong_magic");
    for (size_t room = 1; room < 40; room++) {
        memset(error, 'x', sizeof error);
        ck_assert(!plugin_load(&loaded, path, error, room));
        ck_assert_uint_lt(strnlen(error, sizeof error), room);
        ck_assert_int_eq(error[room], 'x');
    }
}
END_TEST

#define COUNT_OF(array) (int)(sizeof(array) / sizeof((array)[0]))

static TCase *add_case(Suite *suite, const char *name) {
    return suite_case(suite, name, set_up, tear_down, 0);
}

int main(void) {
    Suite *suite = suite_create("plugin_loader");
    TCase *plugins = add_case(suite, "plugins");
    tcase_add_test(plugins, the_real_plugin_is_taken);
    tcase_add_loop_test(plugins, older_and_newer_tables_are_taken, 0, COUNT_OF(right));
    tcase_add_loop_test(plugins, odd_plugins_are_refused, 0, COUNT_OF(odd));
    tcase_add_loop_test(plugins, a_table_without_a_member_is_refused, 0, COUNT_OF(members));
    tcase_add_test(plugins, a_table_without_a_cluster_is_refused_by_those_who_need_one);
    tcase_add_test(plugins, a_symbol_that_nobody_has_is_noticed_at_once);
    tcase_add_test(plugins, an_error_is_cut_to_its_buffer);
    TCase *files = add_case(suite, "files");
    tcase_add_loop_test(files, a_file_that_is_no_shared_object, 0, COUNT_OF(no_objects));
    tcase_add_test(files, a_long_file_that_is_no_shared_object);
    tcase_add_test(files, an_object_for_another_machine);
    tcase_add_test(files, a_file_that_was_cut_off);
    tcase_add_test(files, headers_that_lie);
    tcase_add_test(files, a_directory);
    tcase_add_test(files, a_file_that_is_not_there);
    tcase_add_test(files, a_fifo);
    tcase_add_test(files, a_device);
    tcase_add_test(files, names_are_not_searched_for);
    return suite_run(suite);
}
