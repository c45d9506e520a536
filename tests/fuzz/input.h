/*
 * input.h - a fuzzer's bytes, taken one after the other. Once there are none left, they are zero.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct input {
    const uint8_t *at;
    size_t left;
};

static inline uint8_t take_byte(struct input *input) {
    if (input->left == 0) {
        return 0;
    }
    input->left--;
    return *input->at++;
}

/* A number, small more often than not: its first byte says of how many bytes it is made. */
static inline uint64_t take_number(struct input *input) {
    uint64_t number = 0;
    for (unsigned bytes = take_byte(input) % 9; bytes > 0; bytes--) {
        number = number << 8 | take_byte(input);
    }
    return number;
}

#endif
