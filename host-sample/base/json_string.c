/*
 * json_string.c - the bulk escaping of JSON strings.
 *
 * In prose the bytes that need an escape are rare; in JSON within a string, such as the outputs of
 * tasks, every eighth byte is a quote. So bytes are looked at many at a time, and where the
 * processor can, four of them are spread out to make room for backslashes in one instruction,
 * without a branch on where the quotes are.
 */
#include "json_string.h"

#include "strict-ini/utf8.h"

#include <string.h>

#if defined(__x86_64__)
#include <tmmintrin.h>
#endif

#define BLOCK   1024 /* source bytes between two checks of the space that is left */
#define LONGEST JSON_LONGEST_ESCAPE

/* ---- one escape ---- */

static bool is_special(unsigned char byte) {
    return byte < 0x20 || byte == '"' || byte == '\\';
}

/* Writes one escape and returns where it ends. */
static char *put_escape(char *out, unsigned char byte) {
    static const char digits[] = "0123456789abcdef";
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    if (byte < sizeof(letters) && letters[byte] == '\0') {
        memcpy(out, "\\u00", LONGEST - 2);
        out[4] = digits[byte >> 4];
        out[5] = digits[byte & 0xf];
        return out + LONGEST;
    }
    out[0] = '\\';
    out[1] = (char)byte;
    if (byte < sizeof(letters)) {
        out[1] = letters[byte];
    }
    return out + 2;
}

size_t json_escape(char out[JSON_LONGEST_ESCAPE], unsigned char byte) {
    return (size_t)(put_escape(out, byte) - out);
}

/* ---- eight bytes at a time, on any processor ---- */

#define WORD        sizeof(uint64_t)
#define EACH(byte)  (UINT64_C(0x0101010101010101) * (byte))
#define HIGH_BITS   EACH(0x80)
#define ASCII_BLOCK 64 /* bytes */

/* The high bit of the lowest byte that is zero is set, and no lower bit. */
static uint64_t zero_bytes(uint64_t word) {
    return (word - EACH(1)) & ~word & HIGH_BITS;
}

/* The high bit of the lowest byte that needs an escape is set, and no lower bit; 0 if there is
 * none. Bits above the lowest may be wrong, because a subtraction borrows upwards. */
static uint64_t find_special(uint64_t word) {
    uint64_t control = (word - EACH(0x20)) & ~word & HIGH_BITS;

    return control | zero_bytes(word ^ EACH('"')) | zero_bytes(word ^ EACH('\\'));
}

/* Writes `count` bytes, escaped, where there is space for LONGEST times as many; returns the end.
 * Eight at a time are copied before it is known how many of them need no escape. */
static char *put_escaped(char *out, const char *bytes, size_t count) {
    const char *end = bytes + count;

    while ((size_t)(end - bytes) >= WORD) {
        uint64_t word, special;

        memcpy(&word, bytes, WORD);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        special = find_special(word);
        memcpy(out, bytes, WORD);
        if (special == 0) {
            bytes += WORD;
            out += WORD;
        } else {
            size_t clean = (size_t)__builtin_ctzll(special) / 8;

            out = put_escape(out + clean, (unsigned char)bytes[clean]);
            bytes += clean + 1;
        }
    }
    for (; bytes < end; bytes++) {
        if (is_special((unsigned char)*bytes)) {
            out = put_escape(out, (unsigned char)*bytes);
        } else {
            *out++ = *bytes;
        }
    }
    return out;
}

/* ---- sixteen bytes at a time, where there are PSHUFB and POPCNT ---- */

#if defined(__x86_64__)

#define LANE 4 /* bytes that are spread out at once, to at most twice as many */

/* Of a lane in which the bytes of a set need a backslash, by that set: for each place of the result
 * the byte that goes there, or GAP, and a backslash or nothing. */
#define GAP 0x80
static const uint8_t places[1 << LANE][2 * LANE] = {
    {0, 1, 2, 3, GAP, GAP, GAP, GAP}, {GAP, 0, 1, 2, 3, GAP, GAP, GAP},
    {0, GAP, 1, 2, 3, GAP, GAP, GAP}, {GAP, 0, GAP, 1, 2, 3, GAP, GAP},
    {0, 1, GAP, 2, 3, GAP, GAP, GAP}, {GAP, 0, 1, GAP, 2, 3, GAP, GAP},
    {0, GAP, 1, GAP, 2, 3, GAP, GAP}, {GAP, 0, GAP, 1, GAP, 2, 3, GAP},
    {0, 1, 2, GAP, 3, GAP, GAP, GAP}, {GAP, 0, 1, 2, GAP, 3, GAP, GAP},
    {0, GAP, 1, 2, GAP, 3, GAP, GAP}, {GAP, 0, GAP, 1, 2, GAP, 3, GAP},
    {0, 1, GAP, 2, GAP, 3, GAP, GAP}, {GAP, 0, 1, GAP, 2, GAP, 3, GAP},
    {0, GAP, 1, GAP, 2, GAP, 3, GAP}, {GAP, 0, GAP, 1, GAP, 2, GAP, 3},
};

/* Writes 2 * LANE bytes, of which those up to the returned end count. */
__attribute__((target("ssse3,popcnt"))) static inline char *put_lane(char *out, const char *bytes,
                                                                     unsigned set) {
    int32_t lane;
    memcpy(&lane, bytes, LANE);
    const __m128i where = _mm_loadl_epi64((const __m128i *)(const void *)places[set]);
    const __m128i spread = _mm_shuffle_epi8(_mm_cvtsi32_si128(lane), where);
    const __m128i gaps =
        _mm_and_si128(_mm_cmplt_epi8(where, _mm_setzero_si128()), _mm_set1_epi8('\\'));
    _mm_storel_epi64((__m128i *)(void *)out, _mm_or_si128(spread, gaps));
    return out + LANE + __builtin_popcount(set);
}

/* As put_escaped, for all whole chunks; *bytes is set behind them. */
__attribute__((target("ssse3,popcnt"))) static char *put_chunks(char *out, const char **bytes,
                                                                size_t count) {
    enum { CHUNK = sizeof(__m128i) };
    const char *at = *bytes, *end = at + count / CHUNK * CHUNK;
    for (; at < end; at += CHUNK) {
        const __m128i chunk = _mm_loadu_si128((const __m128i *)(const void *)at);
        const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(chunk, _mm_set1_epi8(0x1f)), chunk);
        const __m128i quote = _mm_or_si128(_mm_cmpeq_epi8(chunk, _mm_set1_epi8('"')),
                                           _mm_cmpeq_epi8(chunk, _mm_set1_epi8('\\')));
        const unsigned quotes = (unsigned)_mm_movemask_epi8(quote);
        if (_mm_movemask_epi8(control) != 0) {
            out = put_escaped(out, at, CHUNK);
        } else if (quotes == 0) {
            _mm_storeu_si128((__m128i *)(void *)out, chunk);
            out += CHUNK;
        } else {
            for (unsigned i = 0; i < CHUNK; i += LANE) {
                out = put_lane(out, at + i, quotes >> i & ((1u << LANE) - 1));
            }
        }
    }
    *bytes = at;
    return out;
}

static bool has_chunks(void) {
    return __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("popcnt");
}

#else

static char *put_chunks(char *out, const char **bytes, size_t count) {
    (void)bytes;
    (void)count;
    return out;
}

static bool has_chunks(void) {
    return false;
}

#endif

/* ---- a whole string ---- */

/* Writes `count` bytes, escaped, where there is room for LONGEST times as many; returns the end. */
static char *put_block(char *out, const char *bytes, size_t count) {
    const char *end = bytes + count;
    if (has_chunks()) {
        out = put_chunks(out, &bytes, count);
    }
    return put_escaped(out, bytes, (size_t)(end - bytes));
}

static void append_escaped(struct byte_buffer *buffer, const char *bytes, size_t count) {
    while (count > 0) {
        size_t block = count < BLOCK ? count : BLOCK;
        char *out;

        if (!byte_buffer_reserve(buffer, block * LONGEST)) {
            return;
        }
        out = put_block(buffer->data + buffer->length, bytes, block);
        buffer->length = (size_t)(out - buffer->data);
        bytes += block;
        count -= block;
    }
}

void json_string_append(struct byte_buffer *buffer, const char *bytes, size_t count) {
    BYTE_BUFFER_LITERAL(buffer, "\"");
    append_escaped(buffer, bytes, count);
    BYTE_BUFFER_LITERAL(buffer, "\"");
}

void json_string_append_any(struct byte_buffer *buffer, const char *text) {
    const size_t count = strlen(text);
    size_t begin = 0; /* of what is UTF-8 and not appended yet */
    BYTE_BUFFER_LITERAL(buffer, "\"");
    for (size_t at = 0; at < count;) {
        uint32_t code_point;
        const size_t step =
            utf8_code_point((const unsigned char *)text + at, count - at, &code_point);
        if (step > 0) {
            at += step;
            continue;
        }
        append_escaped(buffer, text + begin, at - begin);
        BYTE_BUFFER_LITERAL(buffer, "\\ufffd");
        begin = ++at;
    }
    append_escaped(buffer, text + begin, count - begin);
    BYTE_BUFFER_LITERAL(buffer, "\"");
}

/* Answers may have many kB: a block takes as long as two words do. */
static bool is_ascii(const char *block) {
    typedef uint64_t vector __attribute__((vector_size(16)));
    vector part[ASCII_BLOCK / sizeof(vector)];
    _Static_assert(sizeof part == 4 * sizeof part[0], "all are looked at");
    memcpy(part, block, sizeof part);
    const vector all = (part[0] | part[1]) | (part[2] | part[3]);
    return ((all[0] | all[1]) & HIGH_BITS) == 0;
}

static size_t skip_ascii(const char *bytes, size_t length) {
    size_t at = 0;
    uint64_t word;
    while (length - at >= ASCII_BLOCK && is_ascii(bytes + at)) {
        at += ASCII_BLOCK;
    }
    for (; length - at >= WORD; at += WORD) {
        memcpy(&word, bytes + at, WORD);
        if ((word & HIGH_BITS) != 0) {
            break;
        }
    }
    return at;
}

bool json_is_utf8(const char *bytes, size_t length) {
    uint32_t code_point;
    size_t at = skip_ascii(bytes, length);
    while (at < length) {
        const size_t step =
            utf8_code_point((const unsigned char *)bytes + at, length - at, &code_point);
        if (step == 0) {
            return false;
        }
        at += step;
        at += skip_ascii(bytes + at, length - at);
    }
    return true;
}
