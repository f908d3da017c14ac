# SPDX-License-Identifier: Apache-2.0
# A firmware of our own, for machines that have no PSCI.

FIRMWARE_TEST := $(BUILD)/guests/fw.bin
$(FIRMWARE_TEST): tests/firmware/fw.S tests/firmware/firmware.mk
	@mkdir -p $(@D)
	@echo '  FW      $@'
	@clang $(TARGET) -march=armv8-a -nostdlib -fuse-ld=lld -Wl,-Ttext=0,--build-id=none -o $(@:.bin=.elf) $<
	@llvm-objcopy -O binary $(@:.bin=.elf) $@

guests: $(FIRMWARE_TEST)
