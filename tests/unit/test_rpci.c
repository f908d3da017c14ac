// SPDX-License-Identifier: Apache-2.0
// RPCI, by which a guest asks, and guestinfo.
#include "lib/error.h"
#include "tools_client.h"

static void test_guestinfo(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    assert_string_equal(rpc(&c, "info-get guestinfo.x"), "0 No value found");
    assert_string_equal(rpc(&c, "info-set guestinfo.x one two  three"), "1 ");
    assert_string_equal(rpc(&c, "info-get guestinfo.x"), "1 one two  three");
    assert_string_equal(rpc_sized(&c, "info-get guestinfo.x", 21, true), "1 one two  three");
    assert_string_equal(rpc_sized(&c, "info-set guestinfo.y Y", 23, true), "1 "); // with its NUL
    assert_string_equal(rpc(&c, "info-get guestinfo.y"), "1 Y");
    assert_string_equal(rpc(&c, "info-set guestinfo.x four"), "1 ");
    assert_string_equal(rpc(&c, "info-get guestinfo.x"), "1 four");
    assert_string_equal(rpc(&c, "info-set guestinfo.x "), "1 ");
    assert_string_equal(rpc(&c, "info-get guestinfo.x"), "0 No value found");
    assert_string_equal(rpc(&c, "info-get guestinfo.y"), "1 Y");
    assert_string_equal(rpc(&c, "info-get guestinfo."), "0 No value found");
    assert_string_equal(rpc(&c, "info-get"), "0 No value found");
    assert_string_equal(rpc(&c, "info-set guestinfo. v"), "0 Invalid key");
    assert_string_equal(rpc(&c, "info-set machine.id v"), "0 Invalid key");
    assert_string_equal(rpc(&c, "info-set guestinfo.a\tb v"), "0 Invalid key");
    assert_string_equal(rpc(&c, "info-set guestinfo.ovfEnv v"), "0 Permission denied");
    assert_int_equal(tools_guestinfo_set(tools, "guestinfo.ovfEnv", "<e>"), 0);
    assert_string_equal(rpc(&c, "info-get guestinfo.ovfEnv"), "1 <e>");
}

static void test_guestinfo_is_bounded(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    static char request[MESSAGE_MAX];
    unsigned kept = 0;
    memset(request, 'v', sizeof(request));
    for (unsigned i = 0; i < 6; i++) {
        char key[32];
        int len = snprintf(key, sizeof(key), "info-set guestinfo.k%u ", i);
        memcpy(request, key, (size_t)len);
        const char *answer = rpc_sized(&c, request, sizeof(request), true);
        kept += strcmp(answer, "1 ") == 0;
        assert_string_equal(answer, i < 4 ? "1 " : "0 Value too long");
    }
    assert_int_equal(kept, 4);
    memcpy(request, "info-set guestinfo.k3 ", 22); // full, but this one gives way to itself
    assert_string_equal(rpc_sized(&c, request, sizeof(request), true), "1 ");
    assert_int_equal(strlen(rpc(&c, "info-get guestinfo.k3")), MESSAGE_MAX - 22 + 2);
    assert_string_equal(rpc(&c, "info-set guestinfo.k0 "), "1 ");
    assert_string_equal(rpc_sized(&c, request, sizeof(request), true), "1 ");
    char key[GUESTINFO_KEY_MAX + 16] = "info-set guestinfo.";
    memset(key + 19, 'k', sizeof(key) - 19);
    memcpy(key + sizeof(key) - 3, " v", 3);
    assert_string_equal(rpc(&c, key), "0 Invalid key");
}

// Each pair costs a search in the guest's exit, and a line on the operator's terminal.
static void test_guestinfo_has_few_pairs(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    char request[64];
    for (unsigned i = 0; i < 300; i++) {
        snprintf(request, sizeof(request), "info-set guestinfo.%u v", i);
        const char *answer = rpc(&c, request);
        assert_string_equal(answer, i < GUESTINFO_PAIRS_MAX ? "1 " : "0 Value too long");
    }
    assert_string_equal(rpc(&c, "info-set guestinfo.3 w"), "1 "); // in place of itself
    assert_string_equal(rpc(&c, "info-set guestinfo.300 "), "1 ");
    assert_string_equal(rpc(&c, "info-set guestinfo.4 "), "1 ");
    assert_int_equal(tools_guestinfo_set(tools, "guestinfo.x", "y"), 0);
    assert_int_equal(tools_guestinfo_set(tools, "guestinfo.z", "y"), ERR_NOMEM);
}

static void test_guestinfo_for_the_operator(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    char text[8], key[64];
    size_t size, cursor = 0;
    assert_string_equal(rpc(&c, "info-set guestinfo.b a\nbcdefghij"), "1 ");
    assert_int_equal(tools_guestinfo_set(tools, "guestinfo.c", "C"), 0);
    assert_int_equal(tools_guestinfo_set(tools, "c", "C"), ERR_INVALID);
    assert_true(tools_guestinfo_get(tools, "guestinfo.b", text, sizeof(text), &size));
    assert_string_equal(text, "a?bcdef");
    assert_int_equal(size, 11);
    assert_true(tools_guestinfo_next(tools, &cursor, key, sizeof(key), text, 8, &size));
    assert_string_equal(key, "guestinfo.b");
    assert_true(tools_guestinfo_next(tools, &cursor, key, sizeof(key), text, 8, &size));
    assert_string_equal(key, "guestinfo.c");
    assert_false(tools_guestinfo_next(tools, &cursor, key, sizeof(key), text, 8, &size));
    tools_reset(tools); // what is shared outlives the guest's reset
    assert_int_equal(simple(&c, CLOSE, 0), 0);
    assert_true(tools_guestinfo_get(tools, "guestinfo.c", text, sizeof(text), &size));
}

static void test_guestinfo_of_the_manifest(void **state)
{
    (void)state;
    static struct vm_config with = {.name = "vm",
                                    .guestinfo = {{"a.b", {"one", 3}}, {"ovfEnv", {"<e>", 3}}},
                                    .guestinfo_count = 2};
    tools_destroy(tools);
    tools = tools_create(&with, 7);
    struct client c = opened(RPCI);
    assert_string_equal(rpc(&c, "info-get guestinfo.a.b"), "1 one");
    assert_string_equal(rpc(&c, "info-get guestinfo.ovfEnv"), "1 <e>");
    assert_string_equal(rpc(&c, "info-set guestinfo.a.b two"), "1 ");
    assert_string_equal(rpc(&c, "info-get guestinfo.a.b"), "1 two");
}

static void test_guestlib(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    later(3);
    assert_string_equal(rpc(&c, "guestlib.info.get 4"), "0 3");
    const char *answer = rpc(&c, "guestlib.info.get 3");
    assert_memory_equal(answer, "1 \3\0\0\0", 6);
    assert_true(memcmp(answer + 6, "\0\0\0\0\0\0\0\0", 8) != 0);
    uint8_t size[4];
    memcpy(size, answer + 14, 4);
    size_t data = size[0] | (size_t)size[1] << 8;
    // 17 statistics; the last is milliseconds since the start, 64 bits, valid.
    assert_memory_equal(answer + 18, "\0\0\0\21\0\0\0\1\0\0\0\1\0\0\0\0", 16);
    assert_memory_equal(answer + 18 + data - 16, "\0\0\0\21\0\0\0\1\0\0\0\0\0\0\x0b\xb8", 16);
    assert_int_equal(data, 4 + 15 * 12 + 2 * 16);
}

static void test_log_is_one_line(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    assert_string_equal(rpc(&c, "log toolbox: a\x1b[31m\nb"), "1 ");
    assert_string_equal(logged, "vm: tools: toolbox: a?[31m?b\n");
}

// ---- vmtoolsd, start to end: what it sent to a small test host, in its order ----

static void vmtoolsd_says(struct client *rpci, const char *const *requests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(rpc_sized(rpci, requests[i], strlen(requests[i]) + i % 2, true), "1 ");
    }
}

static void check_what_vmtoolsd_reported(void)
{
    struct tools_report report;
    tools_report(tools, &report);
    assert_true(report.running);
    assert_int_equal(report.version, 12352);
    assert_int_equal(report.version_type, 4);
    assert_string_equal(report.version_text, "12.2.0");
    assert_string_equal(report.ip, "192.0.2.2");
    assert_string_equal(report.fact[FACT_HOSTNAME], "lab");
    assert_string_equal(report.fact[FACT_UPTIME], "99248");
    assert_int_equal(report.channels, 2);
    assert_int_equal(report.unknown_rpcs, 0);
}

static void test_vmtoolsd(void **state)
{
    static const char *const early[] = {
        "info-set guestinfo.vmtools.description open-vm-tools 12.2.0 build 21223074",
        "info-set guestinfo.vmtools.versionString 12.2.0",
        "info-set guestinfo.vmtools.versionNumber 12352",
        "info-set guestinfo.vmtools.buildNumber 21223074",
    };
    static const char *const reset[] = {
        "vmx.capability.unified_loop toolbox",
        "log toolbox: Version: 12.2.0.41219 (build-21223074)",
    };
    static const char *const capabilities[] = {
        "tools.capability.hgfs_server toolbox 1",
        "SetGuestInfo  7 99248",
        "tools.capability.statechange ",
        "tools.capability.softpowerop_retry ",
        "tools.capability.features 36=0",
        "tools.capability.guest_conf_directory /etc/vmware-tools",
        "tools.set.versiontype 12352 4",
    };
    static const char *const periodic[] = {
        "info-set guestinfo.ip 192.0.2.2",
        "SetGuestInfo  8 \5",
        "SetGuestInfo  4 build-21223074",
        "SetGuestInfo  1 lab",
        "SetGuestInfo  10 \1",
        "SetGuestDiskInfo {\n\"version\":\"1\"}",
    };
    (void)state;
    struct client tclo = opened(TCLO), rpci = opened(RPCI);
    vmtoolsd_says(&rpci, early, ARRAY_SIZE(early));
    assert_false(tools_running(tools));
    assert_string_equal(turn(&tclo, ""), "reset");
    assert_int_equal(simple(&rpci, CLOSE, 0), SUCCESS);
    rpci = opened(RPCI);
    vmtoolsd_says(&rpci, reset, ARRAY_SIZE(reset));
    assert_string_equal(turn(&tclo, "OK ATR toolbox"), "ping");
    assert_string_equal(turn(&tclo, "OK "), "Capabilities_Register");
    vmtoolsd_says(&rpci, capabilities, ARRAY_SIZE(capabilities));
    const char *told = turn(&tclo, "OK ");
    for (unsigned i = 0; i < 5; i++) {
        assert_memory_equal(told, "Set_Option ", 11);
        told = turn(&tclo, i == 2 ? "ERROR Unknown or invalid option" : "OK ");
    }
    assert_string_equal(told, "");
    vmtoolsd_says(&rpci, periodic, ARRAY_SIZE(periodic));
    check_what_vmtoolsd_reported();
    assert_int_equal(simple(&tclo, CLOSE, 0), SUCCESS);
    assert_false(tools_running(tools));
}

static void test_os_details(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    struct tools_report report;
    static char request[17 + 646 + 40];
    memcpy(request, "SetGuestInfo  11 \1\0\0\0debian12-64", 32);
    strcpy(request + 17 + 133, "Debian GNU/Linux 12 (bookworm)");
    strcpy(request + 17 + 646, "bitness='64'");
    assert_string_equal(rpc_sized(&c, request, sizeof(request), true), "1 ");
    tools_report(tools, &report);
    assert_string_equal(report.fact[FACT_OS_NAME], "debian12-64");
    assert_string_equal(report.fact[FACT_OS], "Debian GNU/Linux 12 (bookworm)");
    assert_string_equal(rpc_sized(&c, request, 17 + 645, true), "1 "); // too short: left out
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOOLS_TEST(test_guestinfo),
        TOOLS_TEST(test_guestinfo_is_bounded),
        TOOLS_TEST(test_guestinfo_has_few_pairs),
        TOOLS_TEST(test_guestinfo_for_the_operator),
        TOOLS_TEST(test_guestinfo_of_the_manifest),
        TOOLS_TEST(test_guestlib),
        TOOLS_TEST(test_log_is_one_line),
        TOOLS_TEST(test_vmtoolsd),
        TOOLS_TEST(test_os_details),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
