#include "paths.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"

static bool ends_with(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length >= tail && !strcmp(text + length - tail, end);
}

/* Keeps the file's full path, if it is one: dlopen takes a bare name for a system library. */
static int keep(char *kept, const char *kind, const char *path) {
  char full[PATH_MAX];
  if (!realpath(path, full)) return 0;
  if (*kept) return fail("Found multiple %s files: %s %s", kind, kept, full);
  memcpy(kept, full, sizeof full);
  return 0;
}

static int add_file(const char *path, model_paths *paths) {
  if (ends_with(path, ".meta")) return keep(paths->meta, "*.meta", path);
  if (ends_with(path, ".so") && !ends_with(path, "libdlr.so"))
    return keep(paths->library, "model lib", path);
  return 0;
}

static int add_folder(const char *folder, model_paths *paths) {
  static const char *const names[] = {"compiled.so", "compiled.meta"};
  char path[PATH_MAX];
  for (int i = 0; i < 2; i++) {
    if (snprintf(path, sizeof path, "%s/%s", folder, names[i]) >= (int)sizeof path) continue;
    if (add_file(path, paths)) return -1;
  }
  return 0;
}

int paths_find(const char *model_path, model_paths *paths) {
  char entry[PATH_MAX];
  struct stat info;
  *paths = (model_paths){{0}, {0}};
  for (const char *at = model_path; *at;) {
    size_t length = strcspn(at, ":");
    if (length && length < sizeof entry) {
      memcpy(entry, at, length);
      entry[length] = '\0';
      bool folder = !stat(entry, &info) && S_ISDIR(info.st_mode);
      if (folder ? add_folder(entry, paths) : add_file(entry, paths)) return -1;
    }
    at += length + (at[length] == ':');
  }
  return 0;
}
