/*
 * test_cluster_structures.c - what a cluster tells a host of an older header: as much as its
 * structures have room for, and not a byte more.
 */
#include "tests/lib/guarded_memory.h"
#include "tests/lib/plugin_fixture.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <string.h>

#define MS UINT64_C(1000000)

#define SIZED .struct_size = sizeof(struct rp_cluster_options)

#define UP_TO(type, member) (offsetof(type, member) + sizeof(((type *)NULL)->member))

static struct opened_section section;
static const struct rp_cluster_calls *calls;
static struct rp_cluster *cluster;

/* One server, whose role may see nothing but positions: a notice says so. */
static void set_up(void) {
    char err[256];
    const struct rp_cluster_options options = {.struct_size = sizeof options,
                                               .max_servers = 1,
                                               .max_reads = 1,
                                               .timeout_ms = 1000,
                                               .now_ns = MS,
                                               .seed = 1};
    struct rp_action action = {.struct_size = sizeof action};
    uint64_t wake_ns;
    section_open(&section, "policy = read_index");
    calls = section.plugin.table->cluster;
    ck_assert_int_eq(calls->open(section.set, &options, &cluster, err, sizeof err), RP_OK);
    ck_assert_int_eq(
        calls->server_set(cluster, 0, "a\n\x7f\xc3\xa9", RP_EXPECT_ANY, RP_SERVER_ON, MS), RP_OK);
    for (uint64_t now_ns = 2 * MS; calls->next(cluster, now_ns, &action, &wake_ns) == 1;
         now_ns += MS) {
        const bool probes = strstr(action.text, "server_version_num") != NULL;
        calls->answer(cluster, action.id, RP_ANSWERED,
                      probes ? "rp1 150000 8192 16777216 t f f f f"
                             : "rp1 a1 c p 0/300 0/300 00000001 - -",
                      NULL, now_ns);
    }
}

static void tear_down(void) {
    ck_assert_uint_eq(calls->close(cluster), 0);
    section_close(&section);
}

/* The last bytes before memory that nobody may touch. */
static void *of_size(uint32_t size) {
    void *memory = guarded_memory(size);
    memcpy(memory, &size, sizeof size);
    return memory;
}

static int32_t ask_server(void *info) {
    return calls->server(cluster, 0, info);
}
static int32_t ask_cluster(void *info) {
    return calls->info(cluster, info);
}
static int32_t ask_notice(void *notice) {
    return calls->notice(cluster, notice) == 1 ? RP_OK : RP_E_ARGUMENT;
}

static const struct {
    int32_t (*ask)(void *structure);
    uint32_t least;
    uint32_t size; /* of today */
} structures[] = {
    {ask_server, UP_TO(struct rp_server_info, position), sizeof(struct rp_server_info)},
    {ask_cluster, UP_TO(struct rp_cluster_info, system), sizeof(struct rp_cluster_info)},
    {ask_notice, UP_TO(struct rp_notice, text), sizeof(struct rp_notice)},
};

/* What is wrong in the options, and what is said of it. */
static const struct {
    struct rp_cluster_options options;
    const char *said;
} wrong_options[] = {
    {{.struct_size = 0}, "struct_size = 0: at least 40 is accepted"},
    {{SIZED, .max_servers = 65, .max_reads = 1}, "max_servers = 65: 1 to 64 are accepted"},
    {{SIZED, .max_servers = 1}, "max_reads = 0: 1 to 1000000 are accepted"},
    {{SIZED, .max_servers = 1, .max_reads = 1, .poll_ms = 50},
     "poll_ms = 50: 0, or 100 to 5000 are accepted"},
    {{SIZED, .max_servers = 1, .max_reads = 1, .timeout_ms = 3600001},
     "timeout_ms = 3600001: 0 to 3600000 are accepted"},
    {{SIZED, .max_servers = 1, .max_reads = 1, .now_ns = UINT64_MAX},
     "now_ns = 18446744073709551615: at most 2^63 - 1 is accepted"},
};

START_TEST(wrong_options_are_named_with_their_values) {
    struct rp_cluster *none = cluster;
    char err[256] = "";
    ck_assert_int_eq(calls->open(section.set, &wrong_options[_i].options, &none, err, sizeof err),
                     RP_E_ARGUMENT);
    ck_assert_str_eq(err, wrong_options[_i].said);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(calls->open(section.set, &wrong_options[_i].options, &none, NULL, 0),
                     RP_E_ARGUMENT);
}
END_TEST

START_TEST(less_room_than_the_least_is_refused) {
    const uint32_t sizes[] = {0, sizeof(uint32_t), structures[_i].least - 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint32_t *structure = guarded_memory(structures[_i].size);
        structure[0] = sizes[i];
        ck_assert_int_eq(structures[_i].ask(structure), RP_E_ARGUMENT);
        ck_assert_uint_eq(structure[1], UINT32_C(0xa5a5a5a5));
    }
}
END_TEST

START_TEST(it_is_given_what_it_has_room_for) {
    for (uint32_t size = structures[_i].least; size <= structures[_i].size; size += 8) {
        uint32_t *structure = of_size(size);
        if (structures[_i].ask != ask_notice || size == structures[_i].least) {
            ck_assert_int_eq(structures[_i].ask(structure), RP_OK);
            ck_assert_uint_eq(structure[0], size);
            ck_assert_uint_ne(structure[1], UINT32_C(0xa5a5a5a5));
        }
    }
}
END_TEST

/* A host of a newer header. */
START_TEST(what_a_plugin_does_not_know_is_left_alone) {
    const uint32_t size = structures[_i].size + 8;
    unsigned char *structure = of_size(size);
    ck_assert_int_eq(structures[_i].ask(structure), RP_OK);
    for (uint32_t i = structures[_i].size; i < size; i++) {
        ck_assert_uint_eq(structure[i], 0xa5);
    }
    ck_assert_mem_eq(structure, &size, sizeof size);
}
END_TEST

START_TEST(an_old_host_is_told_what_a_new_one_is) {
    struct rp_server_info whole = {.struct_size = sizeof whole};
    const uint32_t least = structures[0].least;
    ck_assert_int_eq(ask_server(&whole), RP_OK);
    ck_assert_uint_eq(whole.position, 0x300);
    ck_assert_str_ne(whole.grants, "");
    const unsigned char *part = of_size(least);
    ck_assert_int_eq(ask_server((void *)part), RP_OK);
    ck_assert_mem_eq(part + sizeof(uint32_t), (const unsigned char *)&whole + sizeof(uint32_t),
                     least - sizeof(uint32_t));
}
END_TEST

/* Whatever its server is called. */
START_TEST(a_notice_is_one_line) {
    static const char name[] = "a??\xc3\xa9";
    struct rp_notice notice = {.struct_size = sizeof notice};
    ck_assert_int_eq(calls->notice(cluster, &notice), 1);
    ck_assert_mem_eq(notice.text, name, sizeof name - 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_structures");
    TCase *tests = suite_case(suite, "structures", set_up, tear_down, 0);
    const int count = sizeof structures / sizeof structures[0];
    tcase_add_loop_test(tests, wrong_options_are_named_with_their_values, 0,
                        (int)(sizeof wrong_options / sizeof wrong_options[0]));
    tcase_add_loop_test(tests, less_room_than_the_least_is_refused, 0, count);
    tcase_add_loop_test(tests, it_is_given_what_it_has_room_for, 0, count);
    tcase_add_loop_test(tests, what_a_plugin_does_not_know_is_left_alone, 0, count);
    tcase_add_test(tests, an_old_host_is_told_what_a_new_one_is);
    tcase_add_test(tests, a_notice_is_one_line);
    return suite_run(suite);
}
