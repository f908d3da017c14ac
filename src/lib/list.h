// SPDX-License-Identifier: Apache-2.0
// A circular doubly-linked list whose links live inside its elements.
#pragma once

#include "lib/bits.h"

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define LIST_INIT(name)  \
    {                    \
        &(name), &(name) \
    }

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

// Put n right before pos; with pos the head, at the end.
static inline void list_insert_before(struct list *pos, struct list *n)
{
    struct list *prev = pos->prev;
    n->next = pos;
    n->prev = prev;
    prev->next = n;
    pos->prev = n;
}

// n is left pointing to itself, so that removing it once more does no harm.
static inline void list_remove(struct list *n)
{
    struct list *next = n->next, *prev = n->prev;
    prev->next = next;
    next->prev = prev;
    list_init(n);
}

#define list_entry(node, type, member) container_of(node, type, member)

// NOLINTBEGIN(bugprone-macro-parentheses): a name that is declared takes none
#define list_for_each(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)

#define list_for_each_safe(it, head)                                          \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head); \
         it = it##_next, it##_next = it->next)
// NOLINTEND(bugprone-macro-parentheses)
