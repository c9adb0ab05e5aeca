/* Where a handle's memory comes from. The custom functions are the process's, and serve what is
 * loaded after they were set; every block remembers how it wants to be released. */
#ifndef NEOC_MEMORY_H_
#define NEOC_MEMORY_H_

#include <stddef.h>

enum { MEMORY_ALIGNMENT = 128 }; /* of arenas, so that outputs can be given on without a copy */

typedef void (*memory_release)(void *);

typedef struct {
  void *(*allocate)(size_t bytes);
  void *(*align)(size_t alignment, size_t bytes);
  memory_release release;
} memory_functions;
extern memory_functions custom_memory;

/* Zeroed; from the custom malloc where that and free are set. */
void *memory_object(size_t bytes, memory_release *release);
/* Aligned, not zeroed; from the custom memalign where that and free are set. Never of no size. */
void *memory_block(size_t bytes, memory_release *release);

#endif
