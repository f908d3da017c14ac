# SPDX-License-Identifier: Apache-2.0
# What only make bench needs: the Linux that runs the payload under KVM; Xen, where Debian has it.

PEER_OUT := build/peers

$(PEER_OUT)/kvm-init: tools/peers/kvm_init.c | $(SETUP_DONE)
	@mkdir -p $(PEER_OUT)
	@echo '  PEER    kvm-init'
	@aarch64-linux-gnu-gcc -std=gnu11 -O2 -static -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -o $@ $<

.PHONY: peers
peers: $(PEER_OUT)/kvm-init
	@tools/setup --peers || echo 'bench: Xen could not be fetched and is not measured'
