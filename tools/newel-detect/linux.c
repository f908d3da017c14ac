// SPDX-License-Identifier: Apache-2.0
// newel-detect under Linux, at EL0: is what this process executes intercepted by a hypervisor?
// Linux lets EL0 read few registers that a hypervisor might trap: "absent" here means that of
// these. The exit status is 0 for absent, 1 for present, 2 for inconclusive, 3 for an error.
#include "report.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define FADT             "/sys/firmware/acpi/tables/FACP"
#define FADT_HYPERVISOR  268 /* Hypervisor Vendor Identity, 8 bytes */
#define DT_HYPERVISOR    "/proc/device-tree/hypervisor/compatible"
#define DMI_MANUFACTURER "/sys/class/dmi/id/sys_vendor"
#define DMI_PRODUCT      "/sys/class/dmi/id/product_name"

static const char usage[] =
    "usage: newel-detect [--json]\n"
    "Tells whether a hypervisor intercepts what runs here, from what it does, not what it says.\n";

static struct newel_detect_cell cell;
static sigjmp_buf refused;

static void on_signal(int number)
{
    siglongjmp(refused, number);
}

static bool works(newel_detect_try *try_, struct newel_detect_cell *where)
{
    if (sigsetjmp(refused, 1) != 0) {
        return false;
    }
    (void)try_(where, NEWEL_DETECT_X);
    return true;
}

/* What a file holds from an offset on; nothing if there is no such file. */
static void read_sign(char *out, size_t size, const char *path, long offset, size_t length)
{
    char text[64] = "";
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        return;
    }
    if (fseek(file, offset, SEEK_SET) == 0) {
        length = fread(text, 1, length < sizeof(text) ? length : sizeof(text), file);
        detect_copy(out, size, text, length);
    }
    fclose(file);
}

static void read_signs(struct detect_signs *s)
{
    char product[64] = "";
    size_t length;

    read_sign(s->device_tree, sizeof(s->device_tree), DT_HYPERVISOR, 0, sizeof(s->device_tree));
    read_sign(s->acpi, sizeof(s->acpi), FADT, FADT_HYPERVISOR, 8);
    read_sign(s->dmi, sizeof(product), DMI_MANUFACTURER, 0, sizeof(product));
    read_sign(product, sizeof(product), DMI_PRODUCT, 0, sizeof(product));
    length = strlen(s->dmi);
    snprintf(s->dmi + length, sizeof(s->dmi) - length, "%s%s", product[0] != '\0' ? " " : "",
             product);
}

static void take_ticks(const struct newel_detect *d, uint64_t *ticks)
{
    for (unsigned row = 0; row < NEWEL_DETECT_ROWS_; row++) {
        ticks[row] = d->row[row].tries != 0 ? newel_detect_ticks(&cell, row) : 0;
    }
    ticks[NEWEL_DETECT_ROWS_] = newel_detect_ticks(&cell, NEWEL_DETECT_ROWS_);
}

static void write_out(const char *text)
{
    fputs(text, stdout);
}

int main(int argc, char **argv)
{
    static const int statuses[] = {
        [NEWEL_DETECT_ABSENT] = 0, [NEWEL_DETECT_PRESENT] = 1, [NEWEL_DETECT_INCONCLUSIVE] = 2};
    static struct newel_detect found;
    struct detect_signs signs = {.smccc = ""};
    struct sigaction action = {.sa_handler = on_signal};
    uint64_t ticks[NEWEL_DETECT_ROWS_ + 1];
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    bool counter;

    if (argc != 1 && !json) {
        fputs(usage, stderr);
        return 3;
    }
    sigaction(SIGILL, &action, NULL);
    newel_detect_run(&found, &cell, 0, NEWEL_DETECT_ROUNDS, works);
    counter = !found.faulted[NEWEL_DETECT_cntvct_el0];
    if (counter) {
        take_ticks(&found, ticks);
    }
    read_signs(&signs);
    detect_report(&found, counter ? ticks : NULL, &signs, json, write_out);
    return fflush(stdout) == 0 ? statuses[newel_detect_verdict(&found)] : 3;
}
