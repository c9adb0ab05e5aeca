/* measure THREADS ARENA_BYTES CONSTANT_BYTES: times kernels on the artifact's own pool.
 *
 * Reads commands from standard input, a line each, and answers each with a line:
 *
 *     open LIBRARY                             ok
 *     run SYMBOL RUNS SPAN COUNT ARGUMENT...   the time of every run in ns
 *
 * or `error TEXT`. An argument is SPACE OFFSET CODE BITS ELEMENTS, as in a neoc_buffer. What lies
 * in the arena stays where it is, as a net's activations do. Constants of SPAN bytes move on to
 * another copy at every run, so that they come from where CONSTANT_BYTES lie: a cache, or memory. */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "pool.h"
#include "tensor.h"

enum { MAX_ARGUMENTS = 1024, STRIDE = 7919 }; /* a prime: copies in turn would be prefetched */

static unsigned char *arena, *constants;
static int64_t constant_bytes;
static void *library;
static const char *(*library_error)(void);
static pool *threads;

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Floats in [-1, 1). */
static unsigned char *floats(int64_t bytes) {
  uint32_t state = 1;
  float *data = NULL;
  if (posix_memalign((void **)&data, 4096, (size_t)bytes + 4096)) {
    printf("error Measuring takes %lld bytes of memory, more than there is.\n", (long long)bytes);
    exit(1);
  }
  for (int64_t i = 0; i < bytes / 4 + 16; i++) {
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    data[i] = (float)(state / 2147483648.0 - 1);
  }
  return (unsigned char *)data;
}

static const char *open_library(const char *path) {
  if (library) dlclose(library);
  if (!(library = dlopen(path, RTLD_LAZY | RTLD_LOCAL))) return dlerror();
  void (*bind)(neoc_launch, neoc_allocate, neoc_release);
  *(void **)&bind = dlsym(library, "neoc_bind");
  *(void **)&library_error = dlsym(library, "neoc_error");
  if (!bind || !library_error) return "not a library of kernels";
  bind(pool_launch, pool_allocate, pool_release);
  return NULL;
}

typedef struct {
  int count, space[MAX_ARGUMENTS];
  int64_t offset[MAX_ARGUMENTS], elements[MAX_ARGUMENTS];
  DLTensor tensors[MAX_ARGUMENTS];
  TVMFFIAny values[MAX_ARGUMENTS];
} arguments;

static int read_arguments(arguments *self) {
  const char *text = strtok(NULL, " \n");
  self->count = text ? atoi(text) : 0;
  if (self->count < 1 || self->count > MAX_ARGUMENTS) return -1;
  for (int i = 0; i < self->count; i++) {
    int64_t field[5];
    for (int f = 0; f < 5; f++) {
      if (!(text = strtok(NULL, " \n"))) return -1;
      field[f] = strtoll(text, NULL, 10);
    }
    self->space[i] = (int)field[0];
    self->offset[i] = field[1];
    self->elements[i] = field[4];
    DLDataType dtype = {(uint8_t)field[2], (uint8_t)field[3], 1};
    self->tensors[i] = (DLTensor){.device = {DEVICE_CPU, 0}, .ndim = 1, .dtype = dtype,
                                  .shape = &self->elements[i], .data = arena + field[1]};
    self->values[i] = (TVMFFIAny){.type_index = ANY_TENSOR, .pointer = &self->tensors[i]};
    /* Whole numbers may be positions in some table. */
    if (self->space[i] == NEOC_ARENA && dtype.code != 2)
      memset(arena + field[1], 0, (size_t)(field[4] * dtype.bits / 8));
  }
  return 0;
}

static void place_constants(arguments *self, int64_t copy, int64_t span) {
  for (int i = 0; i < self->count; i++)
    if (self->space[i] == NEOC_CONSTANT)
      self->tensors[i].data = constants + copy * span + self->offset[i];
}

static const char *run(neoc_kernel kernel, arguments *given, int runs, int64_t span) {
  static int64_t copy;
  int64_t copies = span ? constant_bytes / span : 1;
  TVMFFIAny result = {0};
  const char *error = NULL;
  pool_enter(threads, library_error);
  for (int i = 0; i <= runs && !error; i++) { /* the first one is not told */
    copy = (copy + STRIDE) % copies;
    place_constants(given, copy, span);
    int64_t start = now_ns();
    if (kernel(NULL, given->values, given->count, &result)) {
      error = pool_error(threads);
      if (!error) error = library_error();
    } else if (i) {
      printf("%lld ", (long long)(now_ns() - start));
    }
  }
  pool_leave(threads);
  return error;
}

static const char *command(char *line) {
  static arguments given;
  const char *name = strtok(line, " \n");
  if (name && !strcmp(name, "open")) {
    const char *path = strtok(NULL, "\n"), *error = path ? open_library(path) : "no path";
    if (!error) printf("ok");
    return error;
  }
  if (!name || strcmp(name, "run")) return "no such command";
  const char *symbol = strtok(NULL, " "), *runs = strtok(NULL, " "), *span = strtok(NULL, " ");
  if (!span || read_arguments(&given)) return "not what `run` takes";
  neoc_kernel kernel;
  *(void **)&kernel = library ? dlsym(library, symbol) : NULL;
  return kernel ? run(kernel, &given, atoi(runs), strtoll(span, NULL, 10)) : "no such kernel";
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  arena = floats(strtoll(argv[2], NULL, 10));
  constant_bytes = strtoll(argv[3], NULL, 10);
  constants = floats(constant_bytes);
  if (!(threads = pool_new())) return 1;
  pool_set_threads(atoi(argv[1]));
  char *line = NULL;
  size_t size = 0;
  while (getline(&line, &size, stdin) > 0) {
    const char *error = command(line);
    if (error) printf("error %s", error);
    printf("\n");
    fflush(stdout);
  }
  return 0;
}
