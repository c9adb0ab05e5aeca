#include "workspace.h"

#include <stdint.h>
#include <stdlib.h>

enum { ALIGNMENT = 128, GRAIN = 4096 };

static void *aligned(size_t bytes) {
  void *data;
  return posix_memalign(&data, ALIGNMENT, bytes) ? NULL : data;
}

/* The smallest free block that is large enough, else the largest free one (maybe an empty one),
 * which then grows: after a few runs every request finds its block. -1 if all are in use. */
static int best_block(const workspace *space, size_t bytes) {
  int best = -1;
  for (int i = 0; i < WORKSPACE_BLOCKS; i++) {
    if (space->blocks[i].used) continue;
    size_t have = space->blocks[i].bytes, best_has = best < 0 ? 0 : space->blocks[best].bytes;
    if (best < 0 || (have >= bytes ? best_has < bytes || have < best_has
                                   : best_has < bytes && have > best_has))
      best = i;
  }
  return best;
}

void *workspace_take(workspace *space, size_t bytes) {
  if (bytes > SIZE_MAX - GRAIN) return NULL;
  int i = space ? best_block(space, bytes) : -1;
  if (i < 0) return aligned(bytes ? bytes : 1);
  if (!space->blocks[i].data || space->blocks[i].bytes < bytes) {
    size_t rounded = (bytes / GRAIN + 1) * GRAIN;
    free(space->blocks[i].data);
    space->blocks[i].data = aligned(rounded);
    space->blocks[i].bytes = space->blocks[i].data ? rounded : 0;
  }
  space->blocks[i].used = space->blocks[i].data != NULL;
  return space->blocks[i].data;
}

void workspace_return(workspace *space, void *data) {
  for (int i = 0; space && data && i < WORKSPACE_BLOCKS; i++) {
    if (space->blocks[i].data == data) {
      space->blocks[i].used = false;
      return;
    }
  }
  free(data);
}

void workspace_clear(workspace *space) {
  for (int i = 0; i < WORKSPACE_BLOCKS; i++) free(space->blocks[i].data);
  *space = (workspace){0};
}
