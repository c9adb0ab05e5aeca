/* The threads of one handle, and the four services that kernels ask for.
 *
 * Between pool_enter and pool_leave the calling thread is lane 0 of the pool; the callbacks find
 * the pool through a thread-local pointer. Workers start with the first parallel region. A pool
 * has one master at a time. Outside of enter and leave the callbacks work too, serially. */
#ifndef NEOC_POOL_H_
#define NEOC_POOL_H_

#include "model.h"

typedef struct pool pool;

pool *pool_new(void); /* NULL without memory */
void pool_free(pool *pool);

/* `error` gives the text of a task's failure, asked in the thread in which it failed. */
void pool_enter(pool *pool, const char *(*error)(void));
void pool_leave(pool *pool);

/* The text of the first task that failed since pool_enter; NULL if none did. */
const char *pool_error(const pool *pool);

/* For every pool of this library, from its next run on. 0 threads: decide by itself, that is
 * TVM_NUM_THREADS, else the least of affinity mask and CPU quota. Bound workers have a CPU each;
 * TVM_BIND_THREADS=1 asks for it, too. */
void pool_set_threads(int threads);
void pool_set_affinity(int use);

int pool_launch(neoc_lambda lambda, void *closure, int tasks);
int pool_meet(int task, neoc_parallel *env);
void *pool_allocate(int device_type, int device_id, uint64_t bytes, int code, int bits);
int pool_release(int device_type, int device_id, void *data);

#endif
