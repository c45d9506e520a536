/*
 * no_symbol.c - a shared object, but no plugin of this major version.
 */
int read_policy_plugin_v2(void);

int read_policy_plugin_v2(void) {
    return 2;
}
