# SPDX-License-Identifier: Apache-2.0
# A firmware of our own, for machines that have no PSCI.

FIRMWARE_TEST := $(BUILD)/guests/fw.bin
$(FIRMWARE_TEST): tests/firmware/fw.S tests/firmware/firmware.mk
	@mkdir -p $(@D)
	@echo '  FW      $@'
	@clang $(TARGET) -march=armv8-a -nostdlib -fuse-ld=lld -Wl,-Ttext=0,--build-id=none -o $(@:.bin=.elf) $<
	@llvm-objcopy -O binary $(@:.bin=.elf) $@

# In front of newel-park.efi, for a firmware that describes its machine twice.
GIVE_TREE_SOURCES := tests/firmware/give_tree.c tools/newel-park/next.c $(filter-out tools/newel-park/%,$(PARK_SOURCES))
GIVE_TREE_OBJECTS := $(GIVE_TREE_SOURCES:%=$(BUILD)/el2/%.o)

$(BUILD)/give-tree/newel.elf: $(GIVE_TREE_OBJECTS) src/arch/newel.lds
	@mkdir -p $(@D)
	@echo '  LD      $@'
	@ld.lld $(EL2_LDFLAGS) -o $@ $(GIVE_TREE_OBJECTS) $(EL2_LIBRARIES)

$(BUILD)/guests/give-tree.efi: $(BUILD)/give-tree/newel.img
	@mkdir -p $(@D)
	@cp $< $@

-include $(GIVE_TREE_OBJECTS:.o=.d)

guests: $(FIRMWARE_TEST) $(BUILD)/guests/give-tree.efi
