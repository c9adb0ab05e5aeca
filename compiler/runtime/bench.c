/* bench FOLDER [SECONDS [THREADS [ROWS]]]: times the model in a folder through its own libdlr.so.
 *
 * Loads it, fills the inputs (with ROWS rows where their number is free) with random numbers, warms up, runs for the given time, and prints
 * one line of JSON: times in ms, and how many threads the process really had. */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlr.h"
#include "sample.h"

enum { MIN_RUNS = 10, MAX_RUNS = 1000000, WARM_UP_RUNS = 3 };
static const double WARM_UP_SHARE = 0.1; /* of the time to measure, at least three runs */

/* The functions of the folder's library, under their own names. */
#define FUNCTIONS(X)                                                                    \
  X(CreateDLRModel) X(DeleteDLRModel) X(RunDLRModel) X(SetDLRInput) X(SetDLRNumThreads) \
  X(GetDLRNumInputs) X(GetDLRInputName) X(GetDLRInputType) X(GetDLRInputShape)          \
  X(GetDLRInputSizeDim) X(DLRGetLastError)
#define DECLARE(name) static __typeof__(&name) p_##name;
FUNCTIONS(DECLARE)

static void die(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static void check(int code, const char *what) {
  if (code) die(what, p_DLRGetLastError());
}

static void open_library(const char *folder) {
  char path[4096];
  snprintf(path, sizeof path, "%s/libdlr.so", folder);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) die("libdlr.so", dlerror());
#define LOOK_UP(name) \
  if (!(p_##name = (__typeof__(p_##name))dlsym(library, #name))) die(path, "lacks " #name);
  FUNCTIONS(LOOK_UP)
}

static void set_inputs(DLRModelHandle *model, int rows) {
  int inputs;
  check(p_GetDLRNumInputs(model, &inputs), "GetDLRNumInputs");
  for (int i = 0; i < inputs; i++) {
    const char *name, *type;
    int64_t size;
    int dim;
    check(p_GetDLRInputName(model, i, &name), "GetDLRInputName");
    check(p_GetDLRInputType(model, i, &type), "GetDLRInputType");
    check(p_GetDLRInputSizeDim(model, i, &size, &dim), "GetDLRInputSizeDim");
    int64_t *shape = calloc((size_t)dim + 1, sizeof *shape);
    if (!shape) die(name, "out of memory");
    check(p_GetDLRInputShape(model, i, shape), "GetDLRInputShape");
    if (size < 0) size = (shape[0] = rows) * shape[1];
    void *data = calloc((size_t)size + 1, 8);
    if (!data) die(name, "out of memory");
    fill(data, type, size);
    check(p_SetDLRInput(model, name, shape, data, dim), "SetDLRInput");
    free(data);
    free(shape);
  }
}

static int count_threads(void) {
  int count = 0;
  DIR *folder = opendir("/proc/self/task");
  for (struct dirent *entry; folder && (entry = readdir(folder));) count += entry->d_name[0] != '.';
  if (folder) closedir(folder);
  return count;
}

/* getrusage would tell the memory of the process that started this one, if that had more. */
static long long peak_bytes(void) {
  long long kib = 0;
  char line[256];
  FILE *status = fopen("/proc/self/status", "r");
  while (status && fgets(line, sizeof line, status))
    if (sscanf(line, "VmHWM: %lld kB", &kib) == 1) break;
  if (status) fclose(status);
  return kib * 1024;
}

static double *times;

static int measure(DLRModelHandle *model, double budget_ms, int min_runs) {
  int runs = 0;
  for (double start = now_ms(), before = start; runs < MAX_RUNS; runs++) {
    if (runs >= min_runs && before - start >= budget_ms) break;
    check(p_RunDLRModel(model), "RunDLRModel");
    double after = now_ms();
    times[runs] = after - before;
    before = after;
  }
  sort(times, runs);
  return runs;
}

int main(int argc, char **argv) {
  if (argc < 2 || argc > 5) die("usage", "bench FOLDER [SECONDS [THREADS [ROWS]]]");
  double budget_ms = (argc > 2 ? atof(argv[2]) : 2) * 1e3;
  int threads = argc > 3 ? atoi(argv[3]) : 0;
  DLRModelHandle model = NULL;
  double start = now_ms();
  open_library(argv[1]);
  check(p_CreateDLRModel(&model, argv[1], 1, 0), "CreateDLRModel");
  double load_ms = now_ms() - start;
  if (threads) check(p_SetDLRNumThreads(&model, threads), "SetDLRNumThreads");
  set_inputs(&model, argc > 4 ? atoi(argv[4]) : 1);
  if (!(times = malloc(MAX_RUNS * sizeof *times))) die("bench", "out of memory");
  measure(&model, budget_ms * WARM_UP_SHARE, WARM_UP_RUNS);
  int runs = measure(&model, budget_ms, MIN_RUNS), had = count_threads();
  printf("{\"min_ms\": %.6f, \"median_ms\": %.6f, \"p90_ms\": %.6f, \"p99_ms\": %.6f, "
         "\"load_ms\": %.3f, \"peak_rss_bytes\": %lld, \"threads\": %d, \"runs\": %d}\n",
         times[0], percentile(times, runs, 50), percentile(times, runs, 90), percentile(times, runs, 99), load_ms,
         peak_bytes(), had, runs);
  check(p_DeleteDLRModel(&model), "DeleteDLRModel");
  return 0;
}
