# SPDX-License-Identifier: Apache-2.0
# QEMU plugins, built for the host. Included by the top Makefile, or alone: make -f tools/plugin/plugin.mk plugins

PLUGIN_OUT := build/plugin
PLUGINS := $(patsubst tools/plugin/%.c,$(PLUGIN_OUT)/%.so,$(wildcard tools/plugin/*.c))

$(PLUGIN_OUT)/%.so: tools/plugin/%.c tools/plugin/qemu_api.h
	@mkdir -p $(PLUGIN_OUT)
	@echo '  PLUGIN  $*'
	@gcc -std=gnu11 -D_GNU_SOURCE -O2 -g -fPIC -shared -fvisibility=hidden -Wall -Wextra -Werror -Wshadow \
		-Wstrict-prototypes -Wmissing-prototypes -o $@ $<

.PHONY: plugins
plugins: $(PLUGINS)
