/* measure THREADS ARENA_BYTES CONSTANT_BYTES: times kernels on the artifact's own pool.
 *
 * Reads commands from standard input, a line each, and answers each with a line:
 *
 *     open LIBRARY                             ok
 *     run SYMBOL RUNS SPAN COUNT ARGUMENT...   the time of every run in ns
 *
 * or `error TEXT`. An argument is SPACE OFFSET CODE BITS ELEMENTS, as in a neoc_buffer. What lies
 * in the arena stays where it is, as a net's activations do. Constants of SPAN bytes move on to
 * another copy at every run, so that they come from where CONSTANT_BYTES lie: a cache, or memory.
 * Runs after which the CPUs prove crowded, see below, do not count and are done again. */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "pool.h"
#include "tensor.h"

enum {
  MAX_ARGUMENTS = 1024,
  MAX_RUNS = 1000,
  MAX_THREADS = 1024,
  STRIDE = 7919 /* a prime: copies in turn would be prefetched */
};
static const double CROWDED = 1.45; /* times the least: between noise and the 1.7 to 2 of one core */

static unsigned char *arena, *constants;
static int64_t constant_bytes;
static void *library;
static const char *(*library_error)(void);
static pool *threads;
static int thread_count;

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
  void (*bind)(neoc_launch, neoc_meet, neoc_allocate, neoc_release);
  *(void **)&bind = dlsym(library, "neoc_bind");
  *(void **)&library_error = dlsym(library, "neoc_error");
  if (!bind || !library_error) return "not a library of kernels";
  bind(pool_launch, pool_meet, pool_allocate, pool_release);
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

/* ---- crowded CPUs ----
 *
 * The CPUs of a virtual machine may be cores in one moment, and two threads of one core in the next,
 * where two kernels take twice as long. Then every thread takes longer for the same sums when all
 * work than when one does. */

/* 14 chains keep every unit busy, and fit the registers of any CPU. */
enum { CHAINS = 14, STEPS = 10000, TRIES = 8, REST_US = 2000, ENOUGH_NS = 200000000 };

static int add_up(int task, neoc_parallel *env, void *closure) {
  (void)env;
  typedef float vector __attribute__((vector_size(16)));
  vector sum[CHAINS] = {{0}};
  int64_t start = now_ns();
  for (int step = 0; step < STEPS; step++)
#pragma clang loop unroll(full)
    for (int i = 0; i < CHAINS; i++) sum[i] = sum[i] * sum[i] + 1e-3f;
  for (int i = 1; i < CHAINS; i++) sum[0] += sum[i];
  *(volatile float *)&sum[1] = sum[0][0];
  ((int64_t *)closure)[task] = now_ns() - start;
  return 0;
}

/* How much longer the slowest thread takes beside the others than one takes alone, 1 at least. */
static double crowding(void) {
  int64_t took[MAX_THREADS] = {0}, alone = INT64_MAX, most;
  neoc_parallel one = {NULL, 1};
  for (int i = 0; i < 3; i++) {
    add_up(0, &one, took);
    if (took[0] < alone) alone = took[0];
  }
  pool_launch(add_up, took, thread_count);
  most = alone;
  for (int i = 0; i < thread_count; i++)
    if (took[i] > most) most = took[i];
  return (double)most / (double)alone;
}

/* ---- kernels ---- */

static const char *run_once(neoc_kernel kernel, arguments *given, int64_t span, int64_t *took) {
  static int64_t copy;
  TVMFFIAny result = {0};
  copy = (copy + STRIDE) % (span ? constant_bytes / span : 1);
  place_constants(given, copy, span);
  int64_t start = now_ns();
  int code = kernel(NULL, given->values, given->count, &result);
  *took = now_ns() - start;
  if (!code) return NULL;
  const char *error = pool_error(threads);
  return error ? error : library_error();
}

static const char *run(neoc_kernel kernel, arguments *given, int runs, int64_t span) {
  static double least = 1e30; /* crowding, as far as this machine was seen */
  int64_t took[MAX_RUNS], untold;
  const char *error = NULL;
  int64_t begun = now_ns(); /* a long kernel is not repeated: its caller waits for so long only */
  for (int try = 0; try < TRIES && !error; try++) {
    if (try) usleep(REST_US); /* a CPU that wakes up may be put somewhere else */
    pool_enter(threads, library_error);
    error = run_once(kernel, given, span, &untold);
    for (int i = 0; i < runs && !error; i++) error = run_once(kernel, given, span, &took[i]);
    double crowd = error ? 1.0 : crowding();
    pool_leave(threads);
    if (crowd < least) least = crowd;
    if (crowd < CROWDED * least || now_ns() - begun > ENOUGH_NS) break;
  }
  for (int i = 0; i < runs && !error; i++) printf("%lld ", (long long)took[i]);
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
  int count = atoi(runs);
  if (count < 1 || count > MAX_RUNS) return "not a number of runs";
  return kernel ? run(kernel, &given, count, strtoll(span, NULL, 10)) : "no such kernel";
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  arena = floats(strtoll(argv[2], NULL, 10));
  constant_bytes = strtoll(argv[3], NULL, 10);
  constants = floats(constant_bytes);
  if (!(threads = pool_new())) return 1;
  thread_count = atoi(argv[1]);
  if (thread_count < 1 || thread_count > MAX_THREADS) return 2;
  pool_set_threads(thread_count);
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
