/* Which files a model path means: a folder, or a colon-separated list of folders and files. */
#ifndef NEOC_PATHS_H_
#define NEOC_PATHS_H_

#include <limits.h>

typedef struct {
  char library[PATH_MAX], meta[PATH_MAX]; /* "" where there is none */
} model_paths;

/* 0, or -1 with the last error set: two files of a kind. Finding none is not an error. */
int paths_find(const char *model_path, model_paths *paths);

#endif
