# SPDX-License-Identifier: Apache-2.0
# Newel. `make help` lists the targets.

BUILD := build
SYSROOT := $(BUILD)/sysroot
GOALS := $(or $(MAKECMDGOALS),all)

.PHONY: all test-image mutations help setup run check check-long bench unit unit-build fuzz guests plugins format lint clean
all: $(BUILD)/newel.img $(BUILD)/newel.efi $(BUILD)/newel-detect $(BUILD)/newel-detect.efi $(BUILD)/newel-park.efi

help:
	@echo 'make             build Newel: $(BUILD)/newel.img, and $(BUILD)/newel.efi for UEFI; newel-detect and newel-park.efi'
	@echo 'make run         boot two Debian VMs under QEMU (a scripted tour where no terminal is attached)'
	@echo 'make check       all tests: host units, guest payloads, whole machines; at most 15 minutes'
	@echo 'make check-long  the same, and soaks'
	@echo 'make bench       instructions per operation, beside the targets; writes docs/benchmarks.md'
	@echo 'make unit        host unit tests alone (ASan, UBSan)      make fuzz   each fuzzer for some seconds'
	@echo 'make guests      bare-metal payloads that run as VMs      make lint   clang-format, clang-tidy'
	@echo 'make setup       install packages, fetch QEMU, kernel and busybox into $(BUILD)/ (done by itself)'

# ---- what must be on the machine; does nothing when it is there ----
SETUP_DONE := $(BUILD)/stamps/make
$(SETUP_DONE): tools/setup tools/kernel-image tools/mkinitrd tools/guest-init
	@tools/setup
	@mkdir -p $(@D) && touch $@
setup: $(SETUP_DONE)

# ---- the hypervisor ----
TARGET   := --target=aarch64-none-elf
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wwrite-strings
EL2_CFLAGS := $(TARGET) -std=gnu11 -O2 -g $(WARNINGS) -ffreestanding -fbuiltin -march=armv8-a -mgeneral-regs-only \
	-mno-outline-atomics -mstrict-align -fpie -fvisibility=hidden -fno-stack-protector -fno-omit-frame-pointer \
	-momit-leaf-frame-pointer -ffunction-sections -fdata-sections -fno-strict-aliasing -fno-common -flto \
	-fdebug-prefix-map=$(CURDIR)=. -Isrc -Iinclude -isystem $(SYSROOT)/include -isystem $(SYSROOT)/picolibc/include
EL2_LDFLAGS := --lto-O2 -T src/arch/newel.lds -pie --no-dynamic-linker -z text -z norelro -z nognustack --gc-sections \
	--build-id=none --orphan-handling=error --fatal-warnings

EL2_SOURCES := $(sort $(wildcard src/*/*.c src/*/*/*.c src/*/*.S))
EL2_OBJECTS := $(EL2_SOURCES:%=$(BUILD)/el2/%.o)
EL2_NO_SYMBOLS := $(BUILD)/el2/src/lib/symbols_none.c.o
EL2_LIBRARIES := $(SYSROOT)/lib/libfdt.a $(SYSROOT)/picolibc/lib/libc.a

# What the compiler calls by itself must not be optimized into calls of itself; that there are no names must not be known
# to the first link, or it leaves out the search for them.
$(BUILD)/el2/src/lib/string.c.o $(EL2_NO_SYMBOLS): EL2_CFLAGS += -fno-lto

$(BUILD)/el2/%.c.o: %.c $(SETUP_DONE)
	@mkdir -p $(@D)
	@echo '  CC      $*.c'
	@clang $(EL2_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/el2/%.S.o: %.S $(SETUP_DONE)
	@mkdir -p $(@D)
	@echo '  AS      $*.S'
	@clang $(EL2_CFLAGS) -D__ASSEMBLER__ -MMD -MP -c -o $@ $<

# Two links: the names of the first are the second's table for backtraces, so both place the code alike.
define link
	@echo '  LD      $@'
	@mkdir -p $(@D)
	@ld.lld $(EL2_LDFLAGS) -o $@.1 $(1) $(EL2_LIBRARIES)
	@tools/symbols $@.1 > $(@D)/symbols.S
	@clang $(EL2_CFLAGS) -c -o $(@D)/symbols.o $(@D)/symbols.S
	@ld.lld $(EL2_LDFLAGS) -o $@ $(filter-out $(EL2_NO_SYMBOLS),$(1)) $(@D)/symbols.o $(EL2_LIBRARIES)
	@tools/symbols $@ | cmp -s - $(@D)/symbols.S || { echo '$@: the two links differ' >&2; rm -f $@; false; }
endef

$(BUILD)/newel.elf: $(EL2_OBJECTS) src/arch/newel.lds tools/symbols
	$(call link,$(EL2_OBJECTS))

# The same with commands that break it, for the tests of what a broken Newel does.
EL2_TEST_OBJECTS := $(filter-out %/cmd_none.c.o %/port_none.c.o,$(EL2_OBJECTS)) $(patsubst %,$(BUILD)/el2/%.o,$(wildcard tests/el2/*.c))
$(BUILD)/test/newel.elf: $(EL2_TEST_OBJECTS) src/arch/newel.lds tools/symbols
	$(call link,$(EL2_TEST_OBJECTS))

# And with a fault in the maintenance of caches each (mem/coherence.h), for the test of the checker that must find them.
MUTATIONS := 1 2 3 4
MUTATED := $(shell grep -l NEWEL_MUTATION src/*/*.c)
define mutation
$(BUILD)/mutation-$(1)/%.c.o: %.c $(SETUP_DONE)
	@mkdir -p $$(@D)
	@echo '  CC      $$*.c (mutation $(1))'
	@clang $(EL2_CFLAGS) -DNEWEL_MUTATION=$(1) -MMD -MP -c -o $$@ $$<

$(BUILD)/mutation-$(1)/newel.elf: $(filter-out $(MUTATED:%=$(BUILD)/el2/%.o),$(EL2_OBJECTS)) $(MUTATED:%=$(BUILD)/mutation-$(1)/%.o) \
		src/arch/newel.lds
	@echo '  LD      $$@'
	@ld.lld $(EL2_LDFLAGS) -o $$@ $$(filter %.o,$$^) $(EL2_LIBRARIES)
endef
$(foreach n,$(MUTATIONS),$(eval $(call mutation,$(n))))
mutations: $(MUTATIONS:%=$(BUILD)/mutation-%/newel.img)

%/newel.img: %/newel.elf
	@echo '  IMG     $@'
	@llvm-objcopy -O binary $< $@

# The image is a UEFI application already (src/arch/header.S); firmware wants the name.
%/newel.efi: %/newel.img
	@cp $< $@

# ---- host unit tests: the same sources on a stand-in for src/arch ----
HOST_CFLAGS := -std=gnu11 -O1 -g $(WARNINGS) -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all -fno-strict-aliasing -Itests/fake_arch -Isrc -Iinclude
# Rooms made of instructions and registers stay out.
HOST_EXCLUDE := src/arch/% src/boot/main.c src/boot/smp.c src/boot/power.c src/boot/panic.c src/boot/efi/main.c src/cpu/switch.c src/lib/string.c src/lib/stack_guard.c \
	src/trap/run.c
HOST_SOURCES := $(filter-out $(HOST_EXCLUDE),$(sort $(wildcard src/*/*.c src/*/*/*.c))) tools/newel-park/tables.c \
	$(wildcard tests/fake_arch/*.c tests/fake_arch/*/*.c)
HOST_OBJECTS := $(HOST_SOURCES:%=$(BUILD)/host/%.o)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))

$(BUILD)/host/%.c.o: %.c $(SETUP_DONE)
	@mkdir -p $(@D)
	@echo '  HOSTCC  $*.c'
	@clang $(HOST_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libnewel-host.a: $(HOST_OBJECTS)
	@rm -f $@ && llvm-ar rcs $@ $^

$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/libnewel-host.a
	@mkdir -p $(@D)
	@echo '  TEST    $*'
	@clang $(HOST_CFLAGS) -Wno-missing-prototypes -MMD -MP -o $@ $< $(BUILD)/libnewel-host.a -lcmocka -lfdt

unit: $(UNIT_TESTS)
	@set -e; for test in $(UNIT_TESTS); do $$test; done

# ---- fuzzers: libFuzzer, each for FUZZ_SECONDS ----
FUZZ_SECONDS ?= 10
FUZZ_CFLAGS := $(HOST_CFLAGS) -fsanitize=fuzzer-no-link
FUZZ_OBJECTS := $(HOST_SOURCES:%=$(BUILD)/fuzzobj/%.o)
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

$(BUILD)/fuzzobj/%.c.o: %.c $(SETUP_DONE)
	@mkdir -p $(@D)
	@echo '  FUZZCC  $*.c'
	@clang $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libnewel-fuzz.a: $(FUZZ_OBJECTS)
	@rm -f $@ && llvm-ar rcs $@ $^

$(BUILD)/fuzz/%: tests/fuzz/%.c $(BUILD)/libnewel-fuzz.a
	@mkdir -p $(@D)
	@echo '  FUZZ    $*'
	@clang $(HOST_CFLAGS) -fsanitize=fuzzer -Wno-missing-prototypes -MMD -MP -o $@ $< $(BUILD)/libnewel-fuzz.a -lfdt

fuzz: $(FUZZERS)
	@set -e; for fuzzer in $(FUZZERS); do tools/run-fuzzer $(FUZZ_SECONDS) $$fuzzer; done

# ---- payloads that run as VMs, whole machines ----
include tests/guests/guests.mk
include tools/newel-detect/detect.mk
include tools/newel-park/park.mk
include tests/firmware/firmware.mk
include tools/plugin/plugin.mk
include tools/peers/peers.mk

# Debian's python3-pytest is for Debian's own python3.
PYTEST := /usr/bin/python3 -B -m pytest -p no:cacheprovider

run: all
	@tools/demo examples/two-linux.dts

check: all test-image mutations unit-build guests plugins $(FUZZERS)
	@tools/setup --tools
	@[ -z "$$NEWEL_LONG" ] || tools/setup --soak
	@tools/check-summary --begin
	@printf '%s\n' $(UNIT_TESTS) | xargs -P 2 -I {} sh -c 'tools/check-stage $$(basename {}) {}'
	@printf '%s\n' $(FUZZERS) | xargs -P 2 -I {} sh -c 'tools/check-stage $$(basename {}) tools/run-fuzzer $(FUZZ_SECONDS) {}'
	@tools/check-stage --verbose models tests/models/run_models.py
	@tools/check-stage lint tools/lint
	@tools/check-stage --verbose guests tests/guests/run_guests.py
	@tools/check-stage --verbose system $(PYTEST) -q -rpfE -n 2 tests/system
	@tools/check-summary

check-long: export NEWEL_LONG := 1
check-long: export FUZZ_SECONDS := 300
check-long: kernels check

.PHONY: kernels
kernels: $(SETUP_DONE)
	@tools/setup --kernels

bench: all test-image guests plugins peers
	@tools/bench

test-image: $(BUILD)/test/newel.img

unit-build: $(UNIT_TESTS)

lint:
	@tools/lint

# The whole-machine tests alone. PYTEST_ARGS: e.g. "-k monitor", "-x".
.PHONY: system
system: all test-image mutations guests plugins
	@tools/setup --tools
	@$(PYTEST) -v $(PYTEST_ARGS) tests/system

-include $(EL2_TEST_OBJECTS:.o=.d) $(wildcard $(BUILD)/mutation-*/src/mem/*.d) $(HOST_OBJECTS:.o=.d) $(FUZZ_OBJECTS:.o=.d) $(UNIT_TESTS:=.d) $(FUZZERS:=.d)

format:
	@clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf $(BUILD)/el2 $(BUILD)/mutation-* $(BUILD)/host $(BUILD)/unit $(BUILD)/fuzz $(BUILD)/guests $(BUILD)/check $(BUILD)/test $(BUILD)/detect $(BUILD)/newel-detect* $(BUILD)/park $(BUILD)/give-tree $(BUILD)/newel-park.efi $(BUILD)/newel.* $(BUILD)/*.a
