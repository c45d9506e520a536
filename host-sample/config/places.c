/*
 * places.c - see places.h.
 */
#include "places.h"

#include <arpa/inet.h>
#include <limits.h>
#include <string.h>

/* The bytes of an address, IPv4 as IPv6 has it. False if it is none. */
static bool read_address(const char *text, struct in6_addr *address) {
    *address = (struct in6_addr){.s6_addr = {[10] = 0xFF, [11] = 0xFF}};
    return inet_pton(AF_INET, text, &address->s6_addr[12]) == 1 ||
           inet_pton(AF_INET6, text, address) == 1;
}

static bool is_any(const struct in6_addr *address) {
    static const struct in6_addr any_v4 = {.s6_addr = {[10] = 0xFF, [11] = 0xFF}};
    return IN6_IS_ADDR_UNSPECIFIED(address) || memcmp(address, &any_v4, sizeof any_v4) == 0;
}

/* One place has one listener: with several threads the system would let both listen there, and
 * share the clients out between the public and the operators'. */
static void check_clash(const struct host_config *config, const struct ini_document *document,
                        struct ini_errors *errors) {
    const struct ini_section *section = ini_find_section(document, "admin");
    struct in6_addr listen;
    struct in6_addr admin;
    if (section == NULL || config->admin.port == 0 || config->admin.port != config->listen.port ||
        !read_address(config->listen.address, &listen) ||
        !read_address(config->admin.address, &admin)) {
        return;
    }
    if (is_any(&listen) || is_any(&admin) || memcmp(&listen, &admin, sizeof listen) == 0) {
        ini_errors_add(errors,
                       "%s:%u: [admin] port = %u: [listen] has it too, at %s; accepted: another "
                       "port, or two addresses",
                       document->path, section->line, config->admin.port, config->listen.address);
    }
}

static void check_address(const char *address_text, const char *section_name,
                          const struct ini_document *document, struct ini_errors *errors) {
    const struct ini_section *section = ini_find_section(document, section_name);
    struct in6_addr address;
    char place[PATH_MAX];
    if (section == NULL || ini_find(section, "address") == NULL || address_text[0] == '\0' ||
        read_address(address_text, &address)) {
        return;
    }
    const bool is_word = strpbrk(address_text, "= \t") == NULL;
    ini_place(place, sizeof place, document, section, "address");
    ini_errors_add(errors,
                   "%s%s%s: not an address; accepted: an IPv4 or IPv6 address, such as 127.0.0.1, "
                   "0.0.0.0 or ::1",
                   place, is_word ? " = " : "", is_word ? address_text : "");
}

void config_check_places(const struct host_config *config, const struct ini_document *document,
                         struct ini_errors *errors) {
    check_address(config->listen.address, "listen", document, errors);
    check_address(config->admin.address, "admin", document, errors);
    check_clash(config, document, errors);
}
