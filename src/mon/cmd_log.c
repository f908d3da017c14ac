// SPDX-License-Identifier: Apache-2.0
// The monitor's command on Newel's log.
#include "con/console.h"
#include "lib/log.h"
#include "mon/monitor.h"

#define MOST_LINES 100000u

static uint64_t count_lines(void)
{
    char line[LOG_LINE_MAX];
    uint64_t cursor = 0, lines = 0;
    while (log_read(&cursor, line, sizeof(line))) {
        lines++;
    }
    return lines;
}

static void run_log(const struct invocation *in)
{
    char line[LOG_LINE_MAX + 32];
    uint64_t cursor = 0, lines = count_lines();
    unsigned last = MOST_LINES;
    if (monitor_arg(in, 0) != NULL && !monitor_arg_number(in, 0, MOST_LINES, &last)) {
        return;
    }
    // Lines that come meanwhile are left for the next time: this ends.
    for (uint64_t i = 0; i < lines && log_read(&cursor, line, sizeof(line)); i++) {
        if (i + last >= lines) {
            console_printf("%s\n", line);
        }
    }
    if (log_guest_dropped() != 0) {
        console_printf("(%lu lines that guests provoked were left out)\n", log_guest_dropped());
    }
}

const struct command log_commands[] = {
    {"log", "[LINES]", 0, 1, "Newel's log, or the last LINES of it", run_log},
    {0},
};
