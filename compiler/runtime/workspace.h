/* Scratch memory of one thread: blocks are kept, so that a repeated run allocates nothing. */
#ifndef NEOC_WORKSPACE_H_
#define NEOC_WORKSPACE_H_

#include <stdbool.h>
#include <stddef.h>

enum { WORKSPACE_BLOCKS = 16 };

typedef struct {
  struct {
    void *data;
    size_t bytes;
    bool used;
  } blocks[WORKSPACE_BLOCKS];
} workspace;

/* Aligned for vectors and for cache lines; NULL without memory. A NULL workspace keeps nothing. */
void *workspace_take(workspace *space, size_t bytes);
void workspace_return(workspace *space, void *data);
void workspace_clear(workspace *space);

#endif
