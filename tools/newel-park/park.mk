# SPDX-License-Identifier: Apache-2.0
# newel-park.efi: a UEFI application that is linked as Newel is.

PARK_SOURCES := $(wildcard tools/newel-park/*.c) src/arch/header.S src/arch/efi_entry.S src/arch/cache.c src/arch/cpu.c \
	$(wildcard src/park/*.[cS]) src/irq/gic_rdist.c \
	$(patsubst %,src/boot/%.c,acpi complaint console_fdt fdt_index fdt_reader park_acpi park_fdt platform_acpi platform_build \
		platform_fdt platform_fdt_cpus platform_fdt_gic) \
	$(patsubst %,src/boot/efi/%.c,file machine memory_map say) $(patsubst %,src/lib/%.c,error print stack_guard string)
PARK_OBJECTS := $(PARK_SOURCES:%=$(BUILD)/el2/%.o)
$(BUILD)/el2/tools/newel-park/%.o: EL2_CFLAGS += -Itools/newel-park

$(BUILD)/park/newel.elf: $(PARK_OBJECTS) src/arch/newel.lds
	@mkdir -p $(@D)
	@echo '  LD      $@'
	@ld.lld $(EL2_LDFLAGS) -o $@ $(PARK_OBJECTS) $(EL2_LIBRARIES)

$(BUILD)/newel-park.efi: $(BUILD)/park/newel.img
	@cp $< $@

-include $(PARK_OBJECTS:.o=.d)
