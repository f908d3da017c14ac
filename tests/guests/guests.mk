# SPDX-License-Identifier: Apache-2.0
# Bare-metal payloads that run as VMs: build/guests/NAME.bin from tests/guests/NAME.c (and NAME_asm.S).
# Included by the top Makefile, or alone: make -f tests/guests/guests.mk guests

GUEST_DIR := tests/guests
GUEST_OUT := build/guests
GUEST_CC := clang --target=aarch64-none-elf
GUEST_FLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-stack-protector -mgeneral-regs-only \
	-march=armv8-a -mstrict-align -mno-outline-atomics \
	-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -I$(GUEST_DIR) -Iinclude

GUEST_NAMES := $(patsubst $(GUEST_DIR)/%.c,%,$(wildcard $(GUEST_DIR)/*.c))
GUEST_BINS := $(GUEST_NAMES:%=$(GUEST_OUT)/%.bin)
GUEST_LIB_SRC := $(wildcard $(GUEST_DIR)/lib/*.c $(GUEST_DIR)/lib/*.S)
GUEST_HEADERS := $(wildcard $(GUEST_DIR)/lib/*.h include/newel/*.h tests/*.h)

# One compilation a payload: each has its own name and options in the library's objects.
# A payload of more than one source keeps the others in a folder of its name.
$(GUEST_OUT)/%.elf: $(GUEST_DIR)/%.c $(GUEST_LIB_SRC) $(GUEST_HEADERS) $(GUEST_DIR)/lib/guest.ld \
		$(GUEST_DIR)/guests.mk | $(SETUP_DONE)
	@mkdir -p $(GUEST_OUT)
	@echo '  GUEST   $*'
	@$(GUEST_CC) $(GUEST_FLAGS) -DGUEST_NAME='"$*"' $(GUEST_FLAGS_$*) -nostdlib -fuse-ld=lld \
		-Wl,-T,$(GUEST_DIR)/lib/guest.ld,--build-id=none,-z,noexecstack -o $@ \
		$< $(wildcard $(GUEST_DIR)/$*_asm.S $(GUEST_DIR)/$*/*.c) $(GUEST_ALSO_$*) $(GUEST_LIB_SRC)

$(GUEST_OUT)/%.bin: $(GUEST_OUT)/%.elf
	@llvm-objcopy -O binary $< $@

$(foreach name,$(GUEST_NAMES),$(eval $(GUEST_OUT)/$(name).elf: \
	$(wildcard $(GUEST_DIR)/$(name)_asm.S $(GUEST_DIR)/$(name)/*)))

GUEST_FLAGS_bench := -DGUEST_IMAGE_HEADER

# Newel's own parking code is what this one tests.
GUEST_FLAGS_park := -Isrc -isystem build/sysroot/picolibc/include
GUEST_ALSO_park := src/park/code.S src/park/page.c
$(GUEST_OUT)/park.elf: $(GUEST_ALSO_park) src/park/page.h src/park/layout.h src/arch/layout.h

# newel-detect, and a hypervisor to try it on.
GUEST_FLAGS_detect := -DGUEST_IMAGE_HEADER -Itools/newel-detect
GUEST_ALSO_detect := tools/newel-detect/report.c
$(GUEST_OUT)/detect.elf: $(wildcard tools/newel-detect/report.*)
DETECT_SHIM := $(GUEST_OUT)/detect_shim.bin
$(GUEST_OUT)/detect_shim.elf: $(GUEST_DIR)/detect_shim.S $(GUEST_DIR)/guests.mk | $(SETUP_DONE)
	@mkdir -p $(@D)
	@echo '  GUEST   detect_shim'
	@$(GUEST_CC) -D__ASSEMBLER__ -nostdlib -static -fuse-ld=lld -Wl,-Ttext=0,-e,_start,--build-id=none,-z,noexecstack -o $@ $<

# The probe once more, as a kernel for an x86 machine.
X86_PROBE := $(GUEST_OUT)/x86/backdoor_probe
X86_FLAGS := --target=x86_64-none-elf -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-stack-protector -mgeneral-regs-only \
	-mno-red-zone -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Iinclude
$(X86_PROBE): $(GUEST_DIR)/backdoor_probe.c $(wildcard $(GUEST_DIR)/x86/*) include/newel/hypercall.h $(GUEST_DIR)/guests.mk | $(SETUP_DONE)
	@mkdir -p $(@D)
	@echo '  GUEST   x86/backdoor_probe'
	@clang $(X86_FLAGS) -nostdlib -static -fuse-ld=lld -Wl,-Ttext=0x100000,-e,start32,--build-id=none,-z,noexecstack -o $@ \
		$(filter %.c %.S,$^)

# A Linux program, for the test guest's ramdisk.
PERF_COUNT := $(GUEST_OUT)/linux/perf_count
$(PERF_COUNT): tests/system/perf_count.c $(GUEST_DIR)/guests.mk | $(SETUP_DONE)
	@mkdir -p $(@D)
	@echo '  GUEST   linux/perf_count'
	@aarch64-linux-gnu-gcc -std=gnu11 -O2 -static -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -o $@ $<

.PHONY: guests
guests: $(GUEST_BINS) $(X86_PROBE) $(PERF_COUNT) $(DETECT_SHIM)
.SECONDARY: $(GUEST_NAMES:%=$(GUEST_OUT)/%.elf)
