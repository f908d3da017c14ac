# SPDX-License-Identifier: Apache-2.0
# QEMU plugins, built for the host. Included by the top Makefile, or alone: make -f tools/plugin/plugin.mk plugins

PLUGIN_OUT := build/plugin
PLUGINS := $(patsubst tools/plugin/%.c,$(PLUGIN_OUT)/%.so,$(wildcard tools/plugin/*.c))

# A plugin of more than one source keeps the others in a folder.
PLUGIN_SOURCES_newel-cache := $(wildcard tools/plugin/cache/*.c)
PLUGIN_HEADERS := $(wildcard tools/plugin/*.h tools/plugin/*/*.h)

$(PLUGIN_OUT)/newel-cache.so: $(PLUGIN_SOURCES_newel-cache)

$(PLUGIN_OUT)/%.so: tools/plugin/%.c $(PLUGIN_HEADERS) | $(SETUP_DONE)
	@mkdir -p $(PLUGIN_OUT)
	@echo '  PLUGIN  $*'
	@gcc -std=gnu11 -D_GNU_SOURCE -O2 -g -fPIC -shared -fvisibility=hidden -Wall -Wextra -Werror -Wshadow \
		-Wstrict-prototypes -Wmissing-prototypes -Itools/plugin -o $@ $< $(PLUGIN_SOURCES_$*)

.PHONY: plugins
plugins: $(PLUGINS)
