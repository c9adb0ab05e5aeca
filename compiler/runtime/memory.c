#include "memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

memory_functions custom_memory;

void *memory_object(size_t bytes, memory_release *release) {
  memory_functions custom = custom_memory;
  bool use_custom = custom.allocate && custom.release;
  *release = use_custom ? custom.release : free;
  void *object = use_custom ? custom.allocate(bytes) : malloc(bytes);
  return object ? memset(object, 0, bytes) : NULL;
}

void *memory_block(size_t bytes, memory_release *release) {
  memory_functions custom = custom_memory;
  bool use_custom = custom.align && custom.release;
  size_t size = (bytes / MEMORY_ALIGNMENT + 1) * MEMORY_ALIGNMENT;
  void *block = NULL;
  *release = use_custom ? custom.release : free;
  if (use_custom) return custom.align(MEMORY_ALIGNMENT, size);
  return posix_memalign(&block, MEMORY_ALIGNMENT, size) ? NULL : block;
}
