/* regions THREADS: what the runtime takes for a call and for a parallel region, in ns.
 *
 * The pool and the loop over a plan are those of every artifact; the kernels do nothing. Prints one
 * line of JSON, medians over many tries. */
#include <stdio.h>
#include <unistd.h>

#include "instance.h"
#include "sample.h"

enum { CALLS = 1000, TRIES = 101, REGIONS = 200, LATE = 31 };

static int nothing(void *self, const void *arguments, int32_t count, void *result) {
  (void)self, (void)arguments, (void)count, (void)result;
  return 0;
}

static int task(int number, neoc_parallel *parallel, void *closure) {
  (void)number, (void)parallel, (void)closure;
  return 0;
}

static const char *no_error(void) { return ""; }

static void wait_ms(double ms) {
  for (double end = now_ms() + ms; now_ms() < end;) {
  }
}

static double median_ns(double *times, int count) {
  sort(times, count);
  return percentile(times, count, 50) * 1e6;
}

static double call_ns(pool *threads) {
  static neoc_step steps[CALLS];
  for (int i = 0; i < CALLS; i++) steps[i] = (neoc_step){nothing, "nothing", 3 * (i % 8), 3, 0};
  TVMFFIAny arguments[24] = {0};
  neoc_model_t model = {.num_steps = CALLS, .steps = steps, .error = no_error};
  instance self = {.model = &model, .arguments = arguments};
  double times[TRIES];
  for (int i = 0; i < TRIES; i++) {
    double start = now_ms();
    instance_run(&self, threads);
    times[i] = (now_ms() - start) / CALLS;
  }
  return median_ns(times, TRIES);
}

/* Regions with so much serial work before each. */
static double region_ns(pool *threads, double serial_ms, int regions) {
  double times[REGIONS];
  pool_enter(threads, no_error);
  pool_launch(task, NULL, 0);
  for (int i = 0; i < regions; i++) {
    if (serial_ms > 0) wait_ms(serial_ms);
    double start = now_ms();
    pool_launch(task, NULL, 0);
    times[i] = now_ms() - start;
  }
  pool_leave(threads);
  return median_ns(times, regions);
}

/* Many regions at a time: looking at the clock takes as long as one. */
static double close_regions_ns(pool *threads) {
  double times[TRIES];
  pool_enter(threads, no_error);
  for (int i = 0; i < TRIES; i++) {
    double start = now_ms();
    for (int n = 0; n < REGIONS; n++) pool_launch(task, NULL, 0);
    times[i] = (now_ms() - start) / REGIONS;
  }
  pool_leave(threads);
  return median_ns(times, TRIES);
}

/* The first region of a run, the threads having slept. */
static double wake_up_ns(pool *threads) {
  double times[LATE];
  for (int i = 0; i < LATE; i++) {
    usleep(20000);
    double start = now_ms();
    pool_enter(threads, no_error);
    pool_launch(task, NULL, 0);
    times[i] = now_ms() - start;
    pool_leave(threads);
  }
  return median_ns(times, LATE);
}

int main(int argc, char **argv) {
  if (argc != 2) return 1;
  pool_set_threads(atoi(argv[1]));
  pool *threads = pool_new();
  if (!threads) return 1;
  printf("{\"call_ns\": %.1f, ", call_ns(threads));
  printf("\"region_ns\": %.1f, ", close_regions_ns(threads));
  printf("\"after_20_us_ns\": %.1f, ", region_ns(threads, 0.02, REGIONS));
  printf("\"after_1_ms_ns\": %.1f, ", region_ns(threads, 1, REGIONS));
  printf("\"after_sleep_ns\": %.1f}\n", wake_up_ns(threads));
  pool_free(threads);
  return 0;
}
