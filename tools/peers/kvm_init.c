// SPDX-License-Identifier: Apache-2.0
// A virtual machine monitor as small as they come, and the /init of a Linux that does nothing else:
// runs /payload (a bare-metal Image) under KVM with one vCPU, a GICv3 by KVM and a PL011 by itself,
// then powers the machine off. What KVM costs is so measured without a monitor's own weight.
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

#define RAM_BASE    0x40000000ul
#define RAM_SIZE    (64ul << 20)
#define TEXT_OFFSET 0x80000ul
#define GICD_BASE   0x08000000ul
#define GICR_BASE   0x080a0000ul
#define UART_BASE   0x09000000ul
#define UART_DR     0x00
#define UART_FR     0x18
#define FR_EMPTY    0x90 /* both FIFOs */

#define CORE_REG(field)                                    \
    (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | \
     (offsetof(struct kvm_regs, field) / sizeof(uint32_t)))

static int checked(int result, const char *what)
{
    if (result < 0) {
        err(1, "%s", what);
    }
    return result;
}

static void *load(const char *path)
{
    char *ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = checked(open(path, O_RDONLY), path);
    size_t at = TEXT_OFFSET;
    ssize_t n;

    if (ram == MAP_FAILED) {
        err(1, "memory");
    }
    memset(ram, 0, RAM_SIZE);
    while ((n = read(fd, ram + at, RAM_SIZE - at)) > 0) {
        at += (size_t)n;
    }
    close(fd);
    return ram;
}

static void set_attribute(int device, uint32_t group, uint64_t attribute, uint64_t value)
{
    struct kvm_device_attr attr = {.group = group, .attr = attribute, .addr = (uint64_t)&value};

    checked(ioctl(device, KVM_SET_DEVICE_ATTR, &attr), "KVM_SET_DEVICE_ATTR");
}

static void make_gic(int vm)
{
    struct kvm_create_device create = {.type = KVM_DEV_TYPE_ARM_VGIC_V3};

    checked(ioctl(vm, KVM_CREATE_DEVICE, &create), "GICv3");
    set_attribute((int)create.fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, GICD_BASE);
    set_attribute((int)create.fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST,
                  GICR_BASE);
    set_attribute((int)create.fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, 0);
}

static void set_register(int vcpu, uint64_t id, uint64_t value)
{
    struct kvm_one_reg reg = {.id = id, .addr = (uint64_t)&value};

    checked(ioctl(vcpu, KVM_SET_ONE_REG, &reg), "KVM_SET_ONE_REG");
}

static int make_vcpu(int vm)
{
    int vcpu = checked(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    struct kvm_vcpu_init init = {0};

    checked(ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init), "KVM_ARM_PREFERRED_TARGET");
    init.features[0] |= 1u << KVM_ARM_VCPU_PSCI_0_2;
    checked(ioctl(vcpu, KVM_ARM_VCPU_INIT, &init), "KVM_ARM_VCPU_INIT");
    set_register(vcpu, CORE_REG(regs.pc), RAM_BASE + TEXT_OFFSET);
    set_register(vcpu, CORE_REG(regs.regs[0]), 0); /* the payload's defaults are this machine's */
    return vcpu;
}

static void serve(struct kvm_run *run)
{
    uint64_t offset = run->mmio.phys_addr - UART_BASE;

    if (!run->mmio.is_write) {
        memset(run->mmio.data, 0, sizeof(run->mmio.data));
        run->mmio.data[0] = offset == UART_FR ? FR_EMPTY : 0;
    } else if (offset == UART_DR) {
        putchar(run->mmio.data[0]);
        if (run->mmio.data[0] == '\n') {
            fflush(stdout);
        }
    }
}

static void run(int kvm, int vm)
{
    int vcpu = make_vcpu(vm);
    int size = checked(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    struct kvm_run *state = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

    if (state == MAP_FAILED) {
        err(1, "kvm_run");
    }
    make_gic(vm);
    for (;;) {
        checked(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
        if (state->exit_reason == KVM_EXIT_MMIO) {
            serve(state);
        } else if (state->exit_reason == KVM_EXIT_SYSTEM_EVENT) {
            return;
        } else {
            errx(1, "exit reason %u", state->exit_reason);
        }
    }
}

static void last_act(void)
{
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
}

int main(void)
{
    atexit(last_act);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    int kvm = checked(open("/dev/kvm", O_RDWR), "/dev/kvm");
    int vm = checked(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    struct kvm_userspace_memory_region region = {
        .guest_phys_addr = RAM_BASE,
        .memory_size = RAM_SIZE,
        .userspace_addr = (uint64_t)load("/payload"),
    };

    checked(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    run(kvm, vm);
    return 0;
}
