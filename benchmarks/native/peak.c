/* peak THREADS MEMORY_BYTES CACHE_BYTES: how fast so many threads multiply and add, and read memory.
 *
 * BYTES, of a vector, comes from the compiler's command line. Prints one line of JSON: the best of
 * several tries, for the whole machine. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "sample.h"

/* Chains: two ports times a latency of four, at least. */
enum { TRIES = 31, CHAINS = 10, STEPS = 10000000 };
static const double READ_BYTES = 1e9; /* of each thread, in a try */

typedef float vector __attribute__((vector_size(BYTES)));

typedef struct {
  void *(*work)(void *);
  float *data;
  size_t bytes;
  int number;
  float result;
} job;

static vector *volatile one; /* opaque, so that nothing is computed in advance */

static void *multiply(void *argument) {
  job *self = argument;
  vector factor = *one, sum[CHAINS];
  for (int i = 0; i < CHAINS; i++) sum[i] = *one;
  for (int step = 0; step < STEPS; step++)
#pragma clang loop unroll(full)
    for (int i = 0; i < CHAINS; i++) sum[i] = sum[i] * factor + factor;
  vector total = sum[0];
  for (int i = 1; i < CHAINS; i++) total += sum[i];
  self->result = total[0];
  return NULL;
}

static int repeats(size_t bytes) {
  return bytes < READ_BYTES ? (int)(READ_BYTES / (double)bytes) : 1;
}

static void *read_all(void *argument) {
  job *self = argument;
  vector sum[8] = {0};
  size_t count = self->bytes / sizeof(vector) / 8 * 8;
  const vector *data = (const vector *)self->data;
  for (int again = repeats(self->bytes); again--;)
    for (size_t i = 0; i < count; i += 8)
#pragma clang loop unroll(full)
      for (int k = 0; k < 8; k++) sum[k] += data[i + k];
  for (int k = 1; k < 8; k++) sum[0] += sum[k];
  self->result = sum[0][0];
  return NULL;
}

/* A CPU for each thread: two on one would not be the machine's peak. */
static void *alone(void *argument) {
  job *self = argument;
  cpu_set_t allowed, mine;
  sched_getaffinity(0, sizeof allowed, &allowed);
  for (int cpu = 0, seen = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &allowed) && seen++ == self->number) {
      CPU_ZERO(&mine);
      CPU_SET(cpu, &mine);
      sched_setaffinity(0, sizeof mine, &mine);
    }
  return self->work(self);
}

static double best_ms(void *(*work)(void *), job *jobs, int threads) {
  double best = 1e30;
  for (int try = 0; try < TRIES; try++) {
    pthread_t ids[threads];
    double start = now_ms();
    for (int i = 0; i < threads; i++) {
      jobs[i].work = work;
      jobs[i].number = i;
      if (pthread_create(&ids[i], NULL, alone, &jobs[i])) exit(1);
    }
    for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
    double took = now_ms() - start;
    if (took < best) best = took;
  }
  return best;
}

static double gbytes_per_s(job *jobs, int threads, size_t bytes) {
  size_t each = bytes / (size_t)threads / 4096 * 4096;
  for (int i = 0; i < threads; i++) {
    jobs[i] = (job){.data = aligned_alloc(4096, each), .bytes = each};
    if (!jobs[i].data) exit(1);
    memset(jobs[i].data, 0, each);
  }
  double took = best_ms(read_all, jobs, threads);
  for (int i = 0; i < threads; i++) free(jobs[i].data);
  return (double)threads * (double)each * repeats(each) / took / 1e6;
}

int main(int argc, char **argv) {
  if (argc != 4) return 1;
  int threads = atoi(argv[1]);
  job jobs[threads];
  one = aligned_alloc(sizeof(vector), sizeof(vector));
  if (!one) return 1;
  memset((void *)one, 0, sizeof(vector));
  double took = best_ms(multiply, jobs, threads);
  double flops = 2.0 * threads * STEPS * CHAINS * (sizeof(vector) / sizeof(float));
  printf("{\"gflops_per_s\": %.1f, ", flops / took / 1e6);
  printf("\"memory_gbytes_per_s\": %.1f, ", gbytes_per_s(jobs, threads, strtoull(argv[2], 0, 10)));
  printf("\"cache_gbytes_per_s\": %.1f}\n", gbytes_per_s(jobs, threads, strtoull(argv[3], 0, 10)));
  return 0;
}
