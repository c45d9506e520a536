/*
 * utc_date.c - see utc_date.h.
 *
 * Not gmtime_r() and strftime(): they take about ten times as long, and an answer has many dates.
 */
#include "utc_date.h"

#define DAY_MS            INT64_C(86400000)
#define FIRST_MS          (INT64_C(-719162) * DAY_MS)     /* 0001-01-01T00:00:00.000Z */
#define LAST_MS           (INT64_C(2932897) * DAY_MS - 1) /* 9999-12-31T23:59:59.999Z */
#define DAYS_OF_400_YEARS 146097u

bool utc_date_is_printable(int64_t unix_ms) {
    return unix_ms >= FIRST_MS && unix_ms <= LAST_MS;
}

static void put_digits(char *text, int digits, uint32_t value) {
    for (int i = digits - 1; i >= 0; i--) {
        text[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* Years are counted from March here, so that the leap day is the last day of its year; days from
 * 0000-03-01. */
static void put_date(char *text, uint32_t days) {
    const uint32_t era = days / DAYS_OF_400_YEARS;
    const uint32_t day_of_era = days % DAYS_OF_400_YEARS;
    const uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const uint32_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    /* March to July and August to December both run 31, 30, 31, 30, 31: 153 days in five months. */
    const uint32_t month_from_march = (5 * day_of_year + 2) / 153;
    const uint32_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    const uint32_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    put_digits(text, 4, era * 400 + year_of_era + (month <= 2));
    put_digits(text + 5, 2, month);
    put_digits(text + 8, 2, day);
}

void utc_date_print(int64_t unix_ms, char text[UTC_DATE_LENGTH]) {
    /* From 0000-03-01, 306 days before FIRST_MS: no division of a negative number. */
    const uint64_t since_ms = (uint64_t)(unix_ms - FIRST_MS + 306 * DAY_MS);
    const uint32_t of_day_ms = (uint32_t)(since_ms % (uint64_t)DAY_MS);
    text[4] = text[7] = '-';
    text[10] = 'T';
    text[13] = text[16] = ':';
    text[19] = '.';
    text[23] = 'Z';
    put_date(text, (uint32_t)(since_ms / (uint64_t)DAY_MS));
    put_digits(text + 11, 2, of_day_ms / 3600000);
    put_digits(text + 14, 2, of_day_ms / 60000 % 60);
    put_digits(text + 17, 2, of_day_ms / 1000 % 60);
    put_digits(text + 20, 3, of_day_ms % 1000);
}
