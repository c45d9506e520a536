/*
 * test_positions.c - WAL positions, as PostgreSQL prints them and as others may send them.
 */
#include "tests/lib/plugin_fixture.h"
#include "tests/lib/suite.h"

#include <check.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

static struct opened_plugin plugin;

static void set_up(void) {
    plugin_open(&plugin);
}

static void tear_down(void) {
    plugin_close(&plugin);
}

static const struct {
    const char *text;
    bool good;
    uint64_t position;
} positions[] = {
    {"16/B374D848", true, UINT64_C(0x16B374D848)},
    {"16/b374d848", true, UINT64_C(0x16B374D848)},
    {"0/0", true, 0},
    {"0/1", true, 1},
    {"00000000/00000001", true, 1},
    {"1/0", true, UINT64_C(0x100000000)},
    {"FFFFFFFF/FFFFFFFF", true, UINT64_MAX},
    {"", false, 0},
    {"/", false, 0},
    {"16", false, 0},
    {"16/", false, 0},
    {"/16", false, 0},
    {"16/1/2", false, 0},
    {"16//2", false, 0},
    {"000000016/1", false, 0},
    {"1/000000016", false, 0},
    {"FFFFFFFFF/0", false, 0},
    {" 1/2", false, 0},
    {"1/2 ", false, 0},
    {"1 /2", false, 0},
    {"-1/2", false, 0},
    {"+1/2", false, 0},
    {"1/-2", false, 0},
    {"0x1/2", false, 0},
    {"1/0x2", false, 0},
    {"g/1", false, 0},
    {"1/g", false, 0},
    {"1\\2", false, 0},
    {"@/1", false, 0},
    {"`/1", false, 0},
    {"1/:", false, 0},
};

START_TEST(a_text_is_a_position_or_is_refused) {
    uint64_t position = 1;
    const int32_t status = plugin.table->cluster->position_parse(positions[_i].text, &position);
    ck_assert_int_eq(status, positions[_i].good ? RP_OK : RP_E_ARGUMENT);
    ck_assert_uint_eq(position, positions[_i].good ? positions[_i].position : 1);
}
END_TEST

START_TEST(null_is_refused) {
    uint64_t position;
    ck_assert_int_eq(plugin.table->cluster->position_parse(NULL, &position), RP_E_ARGUMENT);
    ck_assert_int_eq(plugin.table->cluster->position_parse("1/2", NULL), RP_E_ARGUMENT);
}
END_TEST

static const struct {
    uint64_t position;
    const char *text;
} printed[] = {
    {0, "0/0"},
    {1, "0/1"},
    {UINT64_C(0x100000000), "1/0"},
    {UINT64_C(0x16B374D848), "16/B374D848"},
    {UINT64_C(0x1600000F00), "16/F00"},
    {UINT64_MAX, "FFFFFFFF/FFFFFFFF"},
};

START_TEST(a_position_is_printed_as_postgresql_does) {
    char text[RP_POSITION_BYTES];
    plugin.table->cluster->position_print(printed[_i].position, text);
    ck_assert_str_eq(text, printed[_i].text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("positions");
    TCase *tests = suite_case(suite, "positions", set_up, tear_down, 0);
    tcase_add_loop_test(tests, a_text_is_a_position_or_is_refused, 0, COUNT(positions));
    tcase_add_test(tests, null_is_refused);
    tcase_add_loop_test(tests, a_position_is_printed_as_postgresql_does, 0, COUNT(printed));
    return suite_run(suite);
}
