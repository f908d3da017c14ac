// SPDX-License-Identifier: Apache-2.0
// What other commands say of the tools in a guest, or want of them. Nothing if the VM has none.
#pragma once

struct vm;

void cmd_tools_info(struct vm *vm);    // lines for vm info
void cmd_tools_resumed(struct vm *vm); // its clock stood still
