#include "meta.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor.h"

enum { MAX_DEPTH = 64 };

/* A JSON reader that keeps nothing: each function takes the start of something and returns its
 * end, or NULL where it is not JSON. */

static const char *space(const char *at) {
  while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r') at++;
  return at;
}

static const char *string(const char *at) {
  if (*at++ != '"') return NULL;
  for (; *at != '"'; at++) {
    if (!*at || (*at == '\\' && !*++at)) return NULL;
  }
  return at + 1;
}

static const char *word(const char *at) { /* a number, true, false or null */
  static const char *const names[] = {"true", "false", "null"};
  for (int i = 0; i < 3; i++)
    if (!strncmp(at, names[i], strlen(names[i]))) return at + strlen(names[i]);
  if (*at != '-' && !isdigit((unsigned char)*at)) return NULL;
  return at + strspn(at, "+-.0123456789eE"); /* not strtod: it minds the locale */
}

static const char *value(const char *at, int depth);

/* An object; with a key, *member becomes the start of that member's value. */
static const char *object(const char *at, int depth, const char *key, const char **member) {
  if (*at++ != '{') return NULL;
  at = space(at);
  if (*at == '}') return at + 1;
  for (;; at = space(at + 1)) {
    const char *name = at, *end = string(at);
    if (!end) return NULL;
    at = space(end);
    if (*at != ':') return NULL;
    at = space(at + 1);
    size_t length = (size_t)(end - name) - 2;
    if (key && strlen(key) == length && !strncmp(name + 1, key, length)) *member = at;
    if (!(at = value(at, depth + 1))) return NULL;
    at = space(at);
    if (*at == '}') return at + 1;
    if (*at != ',') return NULL;
  }
}

static const char *array(const char *at, int depth) {
  at = space(at + 1);
  if (*at == ']') return at + 1;
  for (;; at = space(at + 1)) {
    if (!(at = value(at, depth + 1))) return NULL;
    at = space(at);
    if (*at == ']') return at + 1;
    if (*at != ',') return NULL;
  }
}

static const char *value(const char *at, int depth) {
  if (depth > MAX_DEPTH) return NULL;
  switch (*at) {
    case '{': return object(at, depth, NULL, NULL);
    case '[': return array(at, depth);
    case '"': return string(at);
    default: return word(at);
  }
}

static int device_type(const char *quoted) {
  static const struct {
    const char *name;
    int type;
  } devices[] = {{"\"cpu\"", DEVICE_CPU}, {"\"gpu\"", DEVICE_GPU}, {"\"opencl\"", DEVICE_OPENCL}};
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
    if (!strncmp(quoted, devices[i].name, strlen(devices[i].name))) return devices[i].type;
  return *quoted == '"' ? DEVICE_OTHER : 0;
}

static metadata parse(const char *json) {
  metadata meta = {false, 0};
  const char *requirements = NULL, *device = NULL;
  const char *end = object(space(json), 0, "Requirements", &requirements);
  meta.present = end && !*space(end);
  if (!meta.present || !requirements || *requirements != '{') return meta;
  object(requirements, 0, "TargetDeviceType", &device);
  if (device) meta.device_type = device_type(device);
  return meta;
}

metadata meta_parse(const char *json, size_t bytes) {
  metadata meta = {false, 0};
  char *copy = strndup(json, bytes ? bytes : strlen(json));
  if (copy) meta = parse(copy);
  free(copy);
  return meta;
}

metadata meta_read(const char *path) {
  metadata meta = {false, 0};
  FILE *stream = *path ? fopen(path, "rb") : NULL;
  if (!stream) return meta;
  char *json = NULL;
  size_t capacity = 0;
  if (getdelim(&json, &capacity, '\0', stream) > 0) meta = parse(json); /* the whole file */
  free(json);
  fclose(stream);
  return meta;
}
