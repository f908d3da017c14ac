// SPDX-License-Identifier: Apache-2.0
// Orders to the puppet for tests/system/test_scan.py: trees of tables that it makes from a seed,
// and walks itself.
#pragma once

#include <stdint.h>

/*
 * What one of the orders comes to:
 *   T SEED SHAPE  makes a tree: granule's bits | input bits << 8 | upper half << 16. Of the upper
 *                 half, TTBR1_EL1 and TCR_EL1 are set for it. The root's address.
 *   V             walks the tree: a digest of all that it maps (in test_scan.py as well)
 *   K MS          keeps registers for so many milliseconds: how often one was not what it had been
 *   M MS          has CPU 1 change entries of the tree at random for as long: how many
 */
uint64_t trees_order(char what, const uint64_t *n);
