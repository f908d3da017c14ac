# SPDX-License-Identifier: Apache-2.0
# newel-detect: a Linux program, and a UEFI application that is linked as Newel is. Bare, it is the payload detect.

DETECT_EFI_SOURCES := tools/newel-detect/efi.c tools/newel-detect/report.c src/arch/header.S src/arch/efi_entry.S src/arch/cpu.c \
	src/boot/acpi.c src/boot/complaint.c src/lib/print.c src/lib/string.c src/lib/stack_guard.c
DETECT_EFI_OBJECTS := $(DETECT_EFI_SOURCES:%=$(BUILD)/el2/%.o)
$(BUILD)/el2/tools/newel-detect/%.o: EL2_CFLAGS += -Itools/newel-detect

$(BUILD)/detect/newel.elf: $(DETECT_EFI_OBJECTS) src/arch/newel.lds
	@mkdir -p $(@D)
	@echo '  LD      $@'
	@ld.lld $(EL2_LDFLAGS) -o $@ $(DETECT_EFI_OBJECTS) $(EL2_LIBRARIES)

$(BUILD)/newel-detect.efi: $(BUILD)/detect/newel.img
	@cp $< $@

$(BUILD)/newel-detect: tools/newel-detect/linux.c tools/newel-detect/report.c tools/newel-detect/report.h include/newel/detect.h $(SETUP_DONE)
	@echo '  TOOL    newel-detect'
	@aarch64-linux-gnu-gcc -std=gnu11 -O2 -static $(WARNINGS) -Iinclude -Itools/newel-detect -o $@ $(filter %.c,$^)

-include $(DETECT_EFI_OBJECTS:.o=.d)
