/* profile LIBRARY SECONDS THREADS ROWS: times every call of a compiled.so while the model runs.
 *
 * The runtime is linked in, so that the calls can be told apart; its plan, pool and kernels are
 * those of any other run, and a call finds the caches as the call before left them. A model for any
 * number of rows is given ROWS of them, and each of its plans has calls of its own. Prints one line
 * of JSON: times in ms, of the whole run and of each call in their order. */
#include <stdio.h>

#include "error.h"
#include "instance.h"
#include "sample.h"

enum { MIN_RUNS = 10, MAX_RUNS = 10000, WARM_UP_RUNS = 3 };
static const long long MAX_TIMES = 1 << 24; /* of all calls, to be kept */

static void die(const char *why) {
  fprintf(stderr, "%s\n", why);
  exit(1);
}

/* The steps of all plans before `end`. */
static int count_steps(const neoc_model_t *model, const neoc_model_t *end) {
  int count = 0;
  for (; model != end; model = model->next) count += model->num_steps;
  return count;
}

/* One run as instance_run does it, but for a look at the clock after each step. The time of a step
 * is that of all its turns. */
static void run(instance *self, pool *threads, double *times, int stride) {
  int total = count_steps(self->model, NULL);
  int64_t at = 0;
  for (int i = 0; i < total; i++) times[(int64_t)i * stride] = 0;
  if (self->model->rows && rows_begin(self)) die(last_error());
  pool_enter(threads, self->model->error);
  double start = now_ms(), before = start;
  for (instance *plan; (plan = instance_next(self, &at));) {
    const neoc_model_t *model = plan->model;
    double *own = times + (int64_t)count_steps(self->model, model) * stride;
    for (int32_t i = 0, next; i < model->num_steps; i = next) {
      next = instance_step(plan, i);
      if (next < 0) die(model->steps[i].name);
      double after = now_ms();
      own[(int64_t)i * stride] += after - before;
      before = after;
    }
  }
  times[(int64_t)total * stride] = before - start;
  pool_leave(threads);
}

static void fill_inputs(instance *self, int64_t rows) {
  const neoc_model_t *model = self->model;
  if (model->rows) {
    int64_t shape[] = {rows, model->inputs->shape[1]}, size = shape[0] * shape[1];
    float *data = calloc((size_t)size + 1, sizeof *data);
    if (!data) die("out of memory");
    fill(data, model->inputs->dtype, size);
    if (rows_set(self, shape, data, 2)) die(last_error());
    free(data);
    return;
  }
  for (int i = 0; i < model->num_inputs; i++) {
    const neoc_tensor *input = &model->inputs[i];
    fill(instance_data(self, input), input->dtype, tensor_elements(input));
  }
}

static void print_times(double *times, int runs) {
  sort(times, runs);
  printf("\"min_ms\": %.6f, \"median_ms\": %.6f", times[0], percentile(times, runs, 50));
}

int main(int argc, char **argv) {
  if (argc != 5) die("usage: profile LIBRARY SECONDS THREADS ROWS");
  instance *self = instance_load(argv[1], (metadata){false, 0}, DEVICE_CPU);
  if (!self) die(last_error());
  fill_inputs(self, atoll(argv[4]));
  pool_set_threads(atoi(argv[3]));
  pool *threads = pool_new();
  long long rows = count_steps(self->model, NULL) + 1, most = MAX_TIMES / rows;
  int stride = most > MAX_RUNS ? MAX_RUNS : most < MIN_RUNS ? MIN_RUNS : (int)most;
  double *times = malloc((size_t)rows * (size_t)stride * sizeof *times);
  if (!threads || !times) die("out of memory");
  for (int i = 0; i < WARM_UP_RUNS; i++) run(self, threads, times, stride);
  int runs = 0;
  for (double end = now_ms() + atof(argv[2]) * 1e3;
       runs < stride && (runs < MIN_RUNS || now_ms() < end); runs++)
    run(self, threads, times + runs, stride);
  printf("{\"runs\": %d, ", runs);
  print_times(times + (rows - 1) * stride, runs);
  printf(", \"calls\": [");
  const char *between = "";
  for (const neoc_model_t *model = self->model; model; model = model->next)
    for (int i = 0; i < model->num_steps; i++, times += stride) {
      if (!model->steps[i].name) continue;
      printf("%s{\"kernel\": \"%s\", ", between, model->steps[i].name);
      print_times(times, runs);
      printf("}");
      between = ", ";
    }
  printf("]}\n");
  return 0;
}
