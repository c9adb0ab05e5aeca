/* compiled.meta: the little of it that the runtime itself reads. */
#ifndef NEOC_META_H_
#define NEOC_META_H_

#include <stdbool.h>
#include <stddef.h>

typedef struct {
  bool present;    /* there is a file, and it is JSON */
  int device_type; /* Requirements.TargetDeviceType as DLPack counts devices; 0 where not said */
} metadata;

metadata meta_parse(const char *json, size_t bytes); /* 0 bytes: up to the NUL */
metadata meta_read(const char *path); /* an empty path is an absent file */

#endif
