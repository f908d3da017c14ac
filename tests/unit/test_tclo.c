// SPDX-License-Identifier: Apache-2.0
// TCLO, by which a guest is told, and orders to it.
#include "lib/error.h"
#include "tools_client.h"

static void test_orders_need_tools(void **state)
{
    (void)state;
    assert_int_equal(tools_order(tools, ORDER_SHUTDOWN), ERR_NOENT);
    struct client other = greeted("toolbox-dnd");
    assert_int_equal(tools_order(tools, ORDER_SHUTDOWN), ERR_NOENT);
    struct client c = greeted("toolbox");
    assert_int_equal(tools_order(tools, ORDER_SHUTDOWN), 0);
    assert_int_equal(tools_order(tools, ORDER_SHUTDOWN), ERR_BUSY);
    assert_string_equal(turn(&other, ""), "");
    assert_string_equal(turn(&c, ""), "OS_Halt");
    later(TOOLS_ALIVE_SECONDS);
    assert_int_equal(tools_order(tools, ORDER_REBOOT), ERR_NOENT);
    assert_string_equal(turn(&c, ""), "");
    assert_int_equal(tools_order(tools, ORDER_REBOOT), 0);
}

static void test_shutdown_is_carried_out(void **state)
{
    (void)state;
    struct client c = greeted("toolbox"), rpci = opened(RPCI);
    assert_int_equal(tools_order(tools, ORDER_SHUTDOWN), 0);
    assert_string_equal(turn(&c, ""), "OS_Halt");
    assert_string_equal(turn(&c, "OK "), "");
    assert_string_equal(logged, "");
    assert_string_equal(rpc(&rpci, "tools.os.statechange.status 1 1"), "1 ");
    assert_string_equal(logged, "vm: tools: shutdown under way\n");
}

static void test_a_failed_script_is_tried_twice(void **state)
{
    (void)state;
    struct client c = greeted("toolbox"), rpci = opened(RPCI);
    assert_int_equal(tools_order(tools, ORDER_REBOOT), 0);
    assert_string_equal(turn(&c, ""), "OS_Reboot");
    assert_string_equal(rpc(&rpci, "tools.os.statechange.status 0 1"), "1 "); // not of this
    assert_string_equal(turn(&c, "OK "), "");
    assert_string_equal(rpc(&rpci, "tools.os.statechange.status 0 2"), "1 ");
    assert_string_equal(turn(&c, ""), "OS_Reboot");
    assert_string_equal(turn(&c, "OK "), "");
    assert_string_equal(rpc(&rpci, "tools.os.statechange.status 0 2"), "1 ");
    assert_string_equal(turn(&c, ""), "");
    assert_string_equal(logged, "vm: tools: reboot failed: the guest's script\n");
}

static void test_refused_and_unanswered_orders(void **state)
{
    (void)state;
    struct client c = greeted("toolbox");
    assert_int_equal(tools_order(tools, ORDER_SYNC_TIME), 0);
    assert_string_equal(turn(&c, ""), "Time_Synchronize 1");
    assert_string_equal(turn(&c, "ERROR Unable to sync time"), "");
    assert_string_equal(logged, "vm: tools: ERROR Unable to sync time\n"
                                "vm: tools: setting of the clock refused by the guest\n");
    logged[0] = '\0';
    assert_int_equal(tools_order(tools, ORDER_SYNC_TIME), 0);
    assert_string_equal(turn(&c, ""), "Time_Synchronize 1");
    assert_string_equal(turn(&c, "OK "), "");
    assert_string_equal(logged, "vm: tools: setting of the clock done\n");
    logged[0] = '\0';
    assert_int_equal(tools_order(tools, ORDER_SHUTDOWN), 0);
    assert_string_equal(turn(&c, ""), "OS_Halt");
    later(61);
    assert_string_equal(turn(&c, ""), "ping");
    assert_string_equal(logged, "vm: tools: shutdown not answered\n");
}

static void test_an_order_survives_the_tools_restart(void **state)
{
    (void)state;
    struct client c = greeted("toolbox");
    assert_int_equal(tools_order(tools, ORDER_SHUTDOWN), 0);
    assert_string_equal(turn(&c, ""), "OS_Halt");
    assert_int_equal(simple(&c, CLOSE, 0), SUCCESS);
    c = opened(TCLO);
    assert_string_equal(turn(&c, ""), "reset");
    const char *told = turn(&c, "OK ATR toolbox");
    for (unsigned i = 0; i < 7; i++) {
        told = turn(&c, "OK ");
    }
    assert_string_equal(told, "OS_Halt");
}

static void test_a_pause_is_no_silence(void **state)
{
    (void)state;
    tools_resumed(tools); // without tools
    struct client c = greeted("toolbox");
    assert_string_equal(turn(&c, ""), "");
    assert_int_equal(tools_order(tools, ORDER_SHUTDOWN), 0);
    later(1000);
    tools_resumed(tools);
    assert_true(tools_running(tools));
    assert_string_equal(turn(&c, ""), "OS_Halt");
    assert_string_equal(turn(&c, "OK "), "Time_Synchronize 1");
    assert_string_equal(logged, "");
}

static void test_tclo_channels_are_few(void **state)
{
    (void)state;
    struct client c[TOOLS_TCLO], more;
    for (unsigned i = 0; i < TOOLS_TCLO; i++) {
        c[i] = opened(TCLO);
    }
    assert_false(try_open(&more, TCLO));
    assert_true(try_open(&more, RPCI));
    assert_int_equal(simple(&c[0], CLOSE, 0), SUCCESS);
    assert_true(try_open(&more, TCLO));
    assert_string_equal(turn(&more, ""), "reset");
    later(TOOLS_IDLE_SECONDS); // programs that died without closing theirs do not lock others out
    assert_string_equal(turn(&c[1], ""), "reset");
    assert_true(try_open(&more, TCLO));
    assert_string_equal(turn(&c[1], "OK ATR toolbox"), "ping");
    assert_string_equal(turn(&more, ""), "reset");
    tools_reset(tools);
    assert_true(try_open(&more, TCLO));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOOLS_TEST(test_orders_need_tools),
        TOOLS_TEST(test_shutdown_is_carried_out),
        TOOLS_TEST(test_a_failed_script_is_tried_twice),
        TOOLS_TEST(test_refused_and_unanswered_orders),
        TOOLS_TEST(test_an_order_survives_the_tools_restart),
        TOOLS_TEST(test_a_pause_is_no_silence),
        TOOLS_TEST(test_tclo_channels_are_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
