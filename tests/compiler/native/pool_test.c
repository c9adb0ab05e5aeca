/* The pool, its scratch memory and its threads, for the thread sanitizer: exits 0 if all holds. */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool.h"

#define CHECK(condition) ((condition) ? (void)0 : broken(__LINE__, #condition))

static void broken(int line, const char *condition) {
  printf("line %d: %s\n", line, condition);
  exit(1);
}

enum { MOST = 64 };

typedef struct {
  int counts[MOST], told[2][MOST]; /* not atomic: each task has its own, and the sanitizer watches */
  int num_task, fail_at;
} probe;

static const char *error_text(void) { return "task failed"; }

static int count(int task, neoc_parallel *env, void *closure) {
  probe *probe = closure;
  probe->counts[task]++;
  if (task == 0) probe->num_task = env->num_task;
  void *a = pool_allocate(1, 0, 1000, 2, 32), *b = pool_allocate(1, 0, 100000, 2, 32);
  CHECK(a && b && a != b);
  memset(a, task, 1000);
  memset(b, task, 100000);
  pool_release(1, 0, a);
  pool_release(1, 0, b);
  return task == probe->fail_at ? -1 : 0;
}

static int nested(int task, neoc_parallel *env, void *closure) {
  (void)env, (void)closure;
  probe inner = {.fail_at = -1};
  if (pool_launch(count, &inner, 3)) return -1;
  for (int i = 0; i < 3; i++)
    if (inner.counts[i] != 1) return -1;
  inner = (probe){.fail_at = -1};
  if (pool_launch(count, &inner, 0) || inner.num_task != 1) return -1;
  return task < 0;
}

static void check_region(int tasks, int expected) {
  probe probe = {.fail_at = -1};
  CHECK(!pool_launch(count, &probe, tasks));
  CHECK(probe.num_task == expected);
  for (int i = 0; i < MOST; i++) CHECK(probe.counts[i] == (i < expected));
}

static void check_runs(pool *pool, int size) {
  for (int run = 0; run < 20; run++) {
    pool_enter(pool, error_text);
    check_region(0, size);
    for (int tasks = 1; tasks < 20; tasks++) check_region(tasks, tasks);
    CHECK(!pool_launch(nested, NULL, 0));
    pool_leave(pool);
    if (run % 10 == 9) usleep(2000); /* long enough to fall asleep */
  }
}

/* Each task reads in every round what all others wrote in the one before; one may give up halfway. */
static int talk(int task, neoc_parallel *env, void *closure) {
  probe *probe = closure;
  for (int round = 1; round <= 50; round++) {
    if (task == probe->fail_at && round == 25) return -1;
    if (pool_meet(task, env)) return -1;
    for (int i = 0; i < env->num_task && round > 1; i++)
      if (probe->told[(round - 1) % 2][i] != round - 1) return -1;
    probe->told[round % 2][task] = round;
    if (pool_meet(task, env)) return -1;
  }
  return 0;
}

static void check_meetings(pool *pool, int size) {
  for (int run = 0; run < 10; run++) {
    bool fails = run % 3 == 1;
    probe probe = {.fail_at = fails ? run % size : -1};
    pool_enter(pool, error_text);
    CHECK(!pool_launch(talk, &probe, 0) == !fails);
    pool_leave(pool);
  }
}

static void check_failure(pool *pool) {
  for (int at = 0; at < 8; at++) {
    probe probe = {.fail_at = at};
    pool_enter(pool, error_text);
    CHECK(!pool_error(pool));
    CHECK(pool_launch(count, &probe, 8));
    pool_leave(pool);
    const char *text = pool_error(pool);
    CHECK(!text || !strcmp(text, "task failed")); /* NULL where the region ran inline */
  }
}

static void *handle(void *argument) {
  (void)argument;
  pool *pool = pool_new();
  CHECK(pool);
  check_runs(pool, 3);
  check_failure(pool);
  pool_free(pool);
  return NULL;
}

static void check_fork(void) {
  pool *pool = pool_new();
  check_runs(pool, 3);
  pid_t child = fork();
  if (!child) {
    alarm(60);
    check_runs(pool, 3);
    pool_free(pool);
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && !status);
  check_runs(pool, 3);
  pool_free(pool);
}

int main(int argc, char **argv) {
  (void)argv;
  check_region(0, 1); /* outside of any pool */
  check_region(7, 7);
  pool_set_threads(3);
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, handle, NULL);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  pool *pool = pool_new();
  for (int size = 1; size < 6; size++) { /* resized between runs */
    pool_set_threads(size);
    pool_set_affinity(size % 2);
    check_runs(pool, size);
    check_failure(pool);
    check_meetings(pool, size);
  }
  pool_free(pool);
  pool_free(pool_new()); /* never run */
  pool_free(NULL);
  pool_set_threads(3);
  if (argc > 1) check_fork();
  return 0;
}
