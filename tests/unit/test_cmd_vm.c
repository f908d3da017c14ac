// SPDX-License-Identifier: Apache-2.0
// The monitor's commands about VMs: vm and what follows it.
#include "mon_operator.h"

static void test_list(void **state)
{
    (void)state;
    type("vm list");
    assert_says("* alpha            running      2    256    100     1.234s           42\n");
    assert_says("  alps             off          1 ");
    assert_says("  beta             destroyed    4 ");
    type("vm info alps");
    assert_null(strstr(output, "wake-up"));
    vms[1].after_stop = VM_SLEEP;
    vms[1].wakeup.setting.enabled = true;
    vms[1].wakeup.setting.at = (int64_t)(timer_now() / timer_frequency()) + 70;
    type("vm list");
    assert_says("  alps             asleep       1 ");
    type("vm info alps");
    assert_says("state     asleep\n");
    assert_says("wake-up   in 70 s\n");
    vms[1].wakeup.setting.pending = true; // and it has been started because of it
    type("vm list");
    assert_says("  alps             off          1 ");
    vms[1].wakeup.setting.pending = vms[1].wakeup.setting.enabled = false;
}

static void test_orders(void **state)
{
    (void)state;
    assert_answer("vm start alps", "");
    assert_true(started);
    assert_ptr_equal(ordered, &vms[1]);
    assert_answer("  vm   stop  alpha ", "");
    assert_ptr_equal(ordered, &vms[0]);
    assert_int_equal(ordered_then, VM_STAY_OFF);
    assert_answer("vm reset alpha", "");
    assert_int_equal(ordered_then, VM_REBUILD);
    assert_answer("vm destroy alpha", "");
    assert_int_equal(ordered_then, VM_DESTROY);
    assert_answer("vm focus alps", "");
    assert_ptr_equal(focused, vms[1].console);
}

static void test_tools(void **state)
{
    (void)state;
    assert_answer("vm shutdown alpha", "");
    assert_int_equal(order_told, ORDER_SHUTDOWN);
    assert_answer("vm reboot alpha", "");
    assert_int_equal(order_told, ORDER_REBOOT);
    assert_answer("vm pause alpha", "");
    assert_answer("vm resume alpha", ""); // its clock stood still
    assert_int_equal(order_told, ORDER_SYNC_TIME);
    order_result = ERR_NOENT;
    assert_answer("vm shutdown alpha", "vm shutdown alpha: no tools run in alpha\n");
    order_result = ERR_BUSY;
    assert_answer("vm synctime alpha",
                  "vm synctime alpha: the tools of alpha have been told already\n");
    vms[0].state = VM_PAUSED;
    assert_answer("vm shutdown alpha", "vm shutdown alpha: alpha is paused\n");
    assert_answer("vm shutdown alps", "vm shutdown alps: alps is off\n");
    assert_answer("vm shutdown beta",
                  "vm shutdown beta: beta has no guest-tools in the manifest\n");
    type("vm info alpha");
    assert_says("tools     running; 40 requests, 1 of them unknown; 2 channels, 0 reclaimed\n"
                "version   12.2.0 (12352, type 4)\n"
                "guest     Debian GNU/Linux 12 (debian12-64)\n"
                "address   192.0.2.5\n");
}

static void test_guestinfo(void **state)
{
    (void)state;
    assert_answer("vm guestinfo alpha", "guestinfo.k0 = value\n"
                                        "guestinfo.k1 = value (5 of 1000 bytes)\n");
    assert_answer("vm guestinfo alpha guestinfo.x", "guestinfo.x = some\n");
    assert_answer("vm guestinfo alpha guestinfo.y",
                  "vm guestinfo alpha guestinfo.y: there is none\n");
    assert_answer("vm guestinfo alpha guestinfo.y one  two three", "");
    assert_string_equal(guestinfo_key, "guestinfo.y");
    assert_string_equal(guestinfo_value, "one two three");
    assert_answer("vm guestinfo alpha guestinfo.y \"\"", "");
    assert_string_equal(guestinfo_value, "");
    order_result = ERR_INVALID;
    assert_answer("vm guestinfo alpha y z",
                  "vm guestinfo alpha y: that is no key (guestinfo.NAME)\n");
    order_result = ERR_NOMEM;
    assert_answer("vm guestinfo alpha guestinfo.y z",
                  "vm guestinfo alpha guestinfo.y z: there is no room for it\n");
}

static void test_protect(void **state)
{
    (void)state;
    assert_answer("vm protect alpha 0x40200000+0x3000 r-x pause", "");
    assert_int_equal(protections, 1);
    assert_int_equal(protected.base, 0x40200000);
    assert_int_equal(protected.end, 0x40203000);
    assert_int_equal(protected.rights, S2_RX);
    assert_int_equal(protected.policy, OVERRIDE_PAUSE);
    assert_answer("vm protect alpha 1073741824+4096 rw-", "");
    assert_int_equal(protected.base, 0x40000000);
    assert_int_equal(protected.rights, S2_RW);
    assert_int_equal(protected.policy, OVERRIDE_FAULT);
    static const char *const wrong[] = {
        "0x40000000+0x800 rwx",
        "0x40000000 rwx",
        "0x40000000+ rwx",
        "+0x1000 rwx",
        "0x40000000+0x1000 --x",
        "0x40000000+0x1000 rw",
        "12g+4096 rwx",
        "0x+0x1000 rwx",
        "0x1000+0x1000 rwx wrong",
        "0x11111111111111000+0x1000 rwx",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char line[80];
        snprintf(line, sizeof(line), "vm protect alpha %s", wrong[i]);
        type(line);
    }
    assert_int_equal(protections, 2);
    assert_answer("vm pause alpha", "");
    assert_int_equal(pauses, 1);
    assert_answer("vm resume alpha", "");
    assert_int_equal(pauses, 0);
}

static void test_refused_orders(void **state)
{
    (void)state;
    order_result = ERR_BUSY;
    assert_answer("vm start alpha", "vm start alpha: alpha is running\n");
    order_result = ERR_NOMEM;
    assert_answer("vm start beta", "vm start beta: not enough free memory for its 256 MiB\n");
    order_result = ERR_UNSUPPORTED;
    assert_answer("vm start beta", "vm start beta: not supported\n");
}

static void test_stat(void **state)
{
    (void)state;
    type("vm stat alpha");
    assert_says("COUNTER                   TOTAL     vcpu0      vcpu1 \n");
    assert_says("exit.hvc                     42         40          2  HVC\n");
    assert_says(
        "mmio.uart                     7          0          7  access to the virtual PL011\n");
    assert_null(strstr(output, "exit.smc"));
    type("vm stat alpha 1");
    assert_says("exit.hvc                      2  HVC\n");
}

static void test_stat_of_a_vm_that_is_destroyed_meanwhile(void **state)
{
    (void)state;
    destroyed_meanwhile = &vms[0];
    type("vm stat alpha");
    destroyed_meanwhile = NULL;
    assert_says("COUNTER ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_list, start),
        cmocka_unit_test_setup(test_orders, start),
        cmocka_unit_test_setup(test_tools, start),
        cmocka_unit_test_setup(test_guestinfo, start),
        cmocka_unit_test_setup(test_protect, start),
        cmocka_unit_test_setup(test_refused_orders, start),
        cmocka_unit_test_setup(test_stat, start),
        cmocka_unit_test_setup(test_stat_of_a_vm_that_is_destroyed_meanwhile, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
