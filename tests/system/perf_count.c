// SPDX-License-Identifier: Apache-2.0
// A Linux program for a VM with a PMU: counts its own cycles, and has them interrupt it.
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_cycles(uint64_t period)
{
    struct perf_event_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.size = sizeof(attr);
    attr.type = PERF_TYPE_HARDWARE;
    attr.config = PERF_COUNT_HW_CPU_CYCLES;
    attr.disabled = 1;
    attr.sample_period = period;
    attr.sample_type = period ? PERF_SAMPLE_IP : 0;
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static void spin(void)
{
    for (volatile unsigned i = 0; i < 20000000; i++) {
    }
}

static uint64_t counted(int fd)
{
    uint64_t value = 0;

    return read(fd, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

/* Overflows of a counter that is started at minus the period; each leaves a sample. */
static uint64_t sampled(void)
{
    int fd = open_cycles(1000000);
    struct perf_event_mmap_page *page;
    uint64_t bytes;

    if (fd < 0) {
        return 0;
    }
    page = mmap(NULL, 9 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) {
        return 0;
    }
    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
    spin();
    ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
    bytes = page->data_head;
    return bytes / (sizeof(struct perf_event_header) + 8);
}

int main(void)
{
    int fd = open_cycles(0);
    uint64_t before, after;

    if (fd < 0) {
        perror("perf_event_open");
        return 1;
    }
    spin();
    before = counted(fd);
    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
    spin();
    ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
    after = counted(fd);
    printf("perf: disabled %llu enabled %llu samples %llu\n", (unsigned long long)before,
           (unsigned long long)after, (unsigned long long)sampled());
    return 0;
}
