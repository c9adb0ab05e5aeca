#include "pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cpus.h"
#include "workspace.h"

enum {
  LINE = 128,         /* bytes that CPUs move together: a cache line and its prefetched twin */
  SPIN_NS = 200000,   /* longer than the serial stretches between kernels: waking up takes 25 us */
  SPINS_A_LOOK = 64,  /* pauses between two looks at the clock */
  LOOKS_A_YIELD = 64, /* before who is waited for may have the CPU: it may want the same one */
  MAX_THREADS = 1024,
  TEXT_BYTES = 1024
};

/* One parallel region. Written by the master before it posts, and left alone until all are done. */
typedef struct {
  neoc_lambda lambda; /* NULL tells the workers to end */
  void *closure;
  neoc_parallel env;
  int lanes;
} job;

/* One thread's mailbox. The master posts a number, the lane answers with the same number in `done`.
 * Whoever writes it to `claimed` does the lane's share: the lane, or the master if the lane has not
 * begun when the master is ready, because the system runs something else in its place. */
typedef struct {
  _Alignas(LINE) _Atomic uint32_t posted;
  _Alignas(LINE) _Atomic uint32_t done;
  _Atomic uint32_t claimed;
  _Atomic uint32_t asleep;
  _Alignas(LINE) _Atomic uint32_t met; /* how often it came to a meeting, as often as all others */
  _Alignas(LINE) struct pool *pool;
  int index;
  bool inside; /* within a parallel region: nested ones run serially */
  pthread_t thread;
  workspace space;
} lane;

struct pool {
  job job;
  uint32_t number; /* of the last posted job */
  int size;        /* lanes, the master's included */
  int started;     /* lanes that have a thread, the master's included */
  bool bound;
  int64_t spin_ns;
  unsigned settings; /* the settings that size and bound were taken from */
  pid_t process;     /* whose threads these are: a forked child has none of them */
  const char *(*error)(void);
  _Alignas(LINE) _Atomic uint32_t waiting; /* the master sleeps on some lane's `done` */
  _Atomic bool failed;
  char text[TEXT_BYTES];
  lane *lanes;
};

static _Thread_local lane *current;

static _Atomic int wanted_threads, wanted_affinity = -1;
static _Atomic unsigned settings = 1;

void pool_set_threads(int threads) {
  wanted_threads = threads > 0 ? threads : 0;
  settings++;
}

void pool_set_affinity(int use) {
  wanted_affinity = use != 0;
  settings++;
}

/* ---- waiting: spin a while, then sleep ---- */

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#elif defined(__arm__)
  __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void futex_wait(_Atomic uint32_t *word, uint32_t expected) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Waits until the word differs from `old`. A sleeper first says so in `asleep`, then looks again;
 * its peer first writes the word, then looks at `asleep`: with a full fence between the two steps
 * on either side, one of them sees the other. */
static uint32_t await_change(_Atomic uint32_t *word, uint32_t old, _Atomic uint32_t *asleep,
                             int64_t spin_ns) {
  uint32_t seen;
  int64_t end = 0;
  for (;;) {
    for (int i = 0; i < SPINS_A_LOOK; i++) {
      seen = atomic_load_explicit(word, memory_order_acquire);
      if (seen != old) return seen;
      relax();
    }
    int64_t now = now_ns();
    if (!end) end = now + spin_ns;
    if (now < end) continue;
    atomic_store_explicit(asleep, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(word, memory_order_relaxed) == old) futex_wait(word, old);
    atomic_store_explicit(asleep, 0, memory_order_relaxed);
    end = 0; /* woken without news: work is near */
  }
}

/* ---- running one's share ---- */

static void report(pool *pool) {
  if (atomic_exchange(&pool->failed, true)) return;
  const char *text = pool->error ? pool->error() : "";
  snprintf(pool->text, sizeof pool->text, "%s", text);
}

/* Tasks first .. end - 1, in one thread. */
static int run_tasks(neoc_lambda lambda, void *closure, neoc_parallel *env, int first, int end) {
  for (int task = first; task < end; task++) {
    int code = lambda(task, env, closure);
    if (code) return code;
  }
  return 0;
}

/* The share of lane `index`, in the thread of `self`. */
static void run_share(lane *self, int index, job *job) {
  int64_t tasks = job->env.num_task;
  int first = (int)(tasks * index / job->lanes);
  int end = (int)(tasks * (index + 1) / job->lanes);
  self->inside = true;
  int code = run_tasks(job->lambda, job->closure, &job->env, first, end);
  self->inside = false;
  if (code) report(self->pool);
}

/* True for the one thread that may do the lane's share of job `number`. A lane that comes so late
 * that later jobs were claimed gets nothing. */
static bool claim(lane *lane, uint32_t number) {
  uint32_t seen = atomic_load_explicit(&lane->claimed, memory_order_acquire);
  return (int32_t)(seen - number) < 0 &&
         atomic_compare_exchange_strong(&lane->claimed, &seen, number);
}

static void *work(void *argument) {
  lane *lane = argument;
  pool *pool = lane->pool;
  current = lane;
  for (uint32_t seen = atomic_load_explicit(&lane->done, memory_order_relaxed);;) {
    seen = await_change(&lane->posted, seen, &lane->asleep, pool->spin_ns);
    if (claim(lane, seen)) { /* only now may the job be read: the master waits for it */
      if (!pool->job.lambda) return NULL;
      run_share(lane, lane->index, &pool->job);
    }
    atomic_store_explicit(&lane->done, seen, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&pool->waiting, memory_order_relaxed)) futex_wake(&lane->done);
  }
}

/* ---- the master's side ---- */

/* Posts pool->job to the workers 1 .. lanes - 1. */
static void post(pool *pool, int lanes) {
  pool->number++;
  for (int i = 1; i < lanes; i++)
    atomic_store_explicit(&pool->lanes[i].posted, pool->number, memory_order_release);
  atomic_thread_fence(memory_order_seq_cst);
  for (int i = 1; i < lanes; i++)
    if (atomic_load_explicit(&pool->lanes[i].asleep, memory_order_relaxed))
      futex_wake(&pool->lanes[i].posted);
}

static void join(pool *pool, int lanes) {
  for (int i = 1; i < lanes; i++) {
    lane *lane = &pool->lanes[i];
    if (claim(lane, pool->number)) {
      run_share(&pool->lanes[0], i, &pool->job);
      continue;
    }
    uint32_t done = atomic_load_explicit(&lane->done, memory_order_acquire);
    while (done != pool->number)
      done = await_change(&lane->done, done, &pool->waiting, pool->spin_ns);
  }
}

static void bind_to_cpu(pthread_t thread, int index) {
  cpu_set_t allowed, one;
  if (sched_getaffinity(0, sizeof allowed, &allowed)) return;
  int wanted = index % CPU_COUNT(&allowed);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &allowed) || wanted--) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(thread, sizeof one, &one);
    return;
  }
}

/* Starts the missing workers; with fewer if the system gives no more. */
static void start(pool *pool) {
  sigset_t all, before;
  sigfillset(&all); /* signals are for the application's threads */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (; pool->started < pool->size; pool->started++) {
    lane *lane = &pool->lanes[pool->started];
    atomic_store_explicit(&lane->posted, pool->number, memory_order_relaxed);
    atomic_store_explicit(&lane->done, pool->number, memory_order_relaxed);
    atomic_store_explicit(&lane->claimed, pool->number, memory_order_relaxed);
    atomic_store_explicit(&lane->asleep, 0, memory_order_relaxed);
    if (pthread_create(&lane->thread, NULL, work, lane)) break;
    if (pool->bound) bind_to_cpu(lane->thread, lane->index);
  }
  pool->size = pool->started;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void stop(pool *pool) {
  if (pool->process == getpid() && pool->started > 1) {
    pool->job.lambda = NULL;
    post(pool, pool->started);
    for (int i = 1; i < pool->started; i++) pthread_join(pool->lanes[i].thread, NULL);
  }
  pool->started = 1;
  for (int i = 1; i < pool->size; i++) workspace_clear(&pool->lanes[i].space);
}

static int environment(const char *name) {
  const char *text = getenv(name);
  return text ? atoi(text) : 0;
}

static int threads_to_use(int cpus) {
  int threads = wanted_threads ? wanted_threads : environment("TVM_NUM_THREADS");
  if (threads <= 0) threads = cpus;
  return threads < MAX_THREADS ? threads : MAX_THREADS;
}

static bool resize(pool *pool, int size) {
  lane *lanes;
  if (posix_memalign((void **)&lanes, LINE, sizeof *lanes * (size_t)size)) return false;
  memset(lanes, 0, sizeof *lanes * (size_t)size);
  for (int i = 0; i < size; i++) {
    lanes[i].pool = pool;
    lanes[i].index = i;
  }
  if (pool->lanes) lanes[0].space = pool->lanes[0].space;
  free(pool->lanes);
  pool->lanes = lanes;
  pool->size = size;
  return true;
}

/* Takes up the settings: the size is decided here and nowhere else. */
static void configure(pool *pool) {
  unsigned latest = settings;
  if (pool->settings == latest && pool->process == getpid()) return;
  stop(pool);
  pool->process = getpid();
  pool->settings = latest;
  int cpus = cpus_allowed(), quota = cpus_by_quota("");
  if (quota && quota < cpus) cpus = quota;
  if (!resize(pool, threads_to_use(cpus))) pool->size = 1;
  pool->bound = wanted_affinity < 0 ? environment("TVM_BIND_THREADS") == 1 : wanted_affinity == 1;
  pool->spin_ns = pool->size <= cpus ? SPIN_NS : 0; /* with more threads than CPUs, give way */
}

pool *pool_new(void) {
  pool *pool;
  if (posix_memalign((void **)&pool, LINE, sizeof *pool)) return NULL;
  memset(pool, 0, sizeof *pool);
  pool->started = 1;
  if (resize(pool, 1)) return pool;
  free(pool);
  return NULL;
}

void pool_free(pool *pool) {
  if (!pool) return;
  stop(pool);
  workspace_clear(&pool->lanes[0].space);
  free(pool->lanes);
  free(pool);
}

void pool_enter(pool *pool, const char *(*error)(void)) {
  configure(pool);
  pool->error = error;
  if (pool->failed) /* some lanes may have missed meetings */
    for (int i = 0; i < pool->size; i++) pool->lanes[i].met = 0;
  pool->failed = false;
  current = &pool->lanes[0];
  /* Sleepers wake up while the first kernels run. */
  for (int i = 1; i < pool->started; i++)
    if (atomic_load_explicit(&pool->lanes[i].asleep, memory_order_relaxed))
      futex_wake(&pool->lanes[i].posted);
}

void pool_leave(pool *pool) {
  (void)pool;
  current = NULL;
}

const char *pool_error(const pool *pool) { return pool->failed ? pool->text : NULL; }

/* ---- the callbacks ---- */

/* Every lane counts in a line of its own, and at every other call waits until no other's count is
 * behind what its own was. One thread that does all tasks in turn waits for nobody; after a failure
 * nobody waits any more. */
int pool_meet(int task, neoc_parallel *env) {
  pool *pool = env->sync;
  if (!pool) return 0;
  uint32_t last = atomic_load_explicit(&pool->lanes[task].met, memory_order_relaxed);
  atomic_store_explicit(&pool->lanes[task].met, last + 1, memory_order_release);
  if (last % 2) return 0;
  for (int i = 0; i < env->num_task; i++) {
    _Atomic uint32_t *other = &pool->lanes[i].met;
    for (int looks = 1; (int32_t)(atomic_load_explicit(other, memory_order_acquire) - last) < 0; looks++) {
      if (pool->failed) return -1;
      if (pool->spin_ns && looks % LOOKS_A_YIELD)
        relax();
      else
        sched_yield();
    }
  }
  return 0;
}

static int run_inline(neoc_lambda lambda, void *closure, int tasks) {
  neoc_parallel env = {NULL, tasks > 0 ? tasks : 1};
  return run_tasks(lambda, closure, &env, 0, env.num_task);
}

int pool_launch(neoc_lambda lambda, void *closure, int tasks) {
  lane *lane = current;
  if (!lane || lane->inside || tasks == 1 || lane->pool->size == 1)
    return run_inline(lambda, closure, tasks);
  pool *pool = lane->pool;
  if (pool->started < pool->size) start(pool);
  int num_task = tasks > 0 ? tasks : pool->size;
  int lanes = num_task < pool->size ? num_task : pool->size;
  pool->job = (job){lambda, closure, {pool, num_task}, lanes};
  post(pool, lanes);
  run_share(lane, 0, &pool->job);
  join(pool, lanes);
  return pool->failed ? -1 : 0;
}

void *pool_allocate(int device_type, int device_id, uint64_t bytes, int code, int bits) {
  (void)device_type, (void)device_id, (void)code, (void)bits;
  return bytes > SIZE_MAX ? NULL : workspace_take(current ? &current->space : NULL, (size_t)bytes);
}

int pool_release(int device_type, int device_id, void *data) {
  (void)device_type, (void)device_id;
  workspace_return(current ? &current->space : NULL, data);
  return 0;
}
